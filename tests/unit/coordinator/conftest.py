from __future__ import annotations

import pytest

from nemeton.common.clock import ManualClock
from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.server.builtin import BUILTIN_EXTENSIONS


@pytest.fixture(scope="session")
def json():
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS).registry)


@pytest.fixture
def clock():
    return ManualClock()
