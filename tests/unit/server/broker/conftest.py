"""A Broker's view without servers, and what knows all of core's types."""

from __future__ import annotations

import pytest
from tests.unit.querying import FakeInventory

from nemeton.json import Json
from nemeton.plugins import load_extensions
from nemeton.server.broker.server_view import BrokerServerView
from nemeton.server.builtin import BUILTIN_EXTENSIONS


@pytest.fixture(scope="module")
def json():
    return Json(load_extensions({"druid.extensions.loadList": "[]"}, BUILTIN_EXTENSIONS).registry)


@pytest.fixture
def view():
    return BrokerServerView(FakeInventory())
