from __future__ import annotations

from types import SimpleNamespace

import pytest

from nemeton.server.historical.resource import HistoricalResource
from nemeton.spi.http import Request


@pytest.mark.parametrize(("started", "status"), [(True, 200), (False, 503)])
def test_ready_when_the_cache_is_loaded(started, status):
    resource = HistoricalResource(SimpleNamespace(is_started=started))
    assert resource.readiness(Request("GET", "/")).status == status
    assert resource.load_status(Request("GET", "/")) == {"cacheInitialized": started}
