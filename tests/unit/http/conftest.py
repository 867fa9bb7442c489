from __future__ import annotations

import json
from pathlib import Path

import pytest

from nemeton.http.client import HttpClient

_RECORDED = Path(__file__).parents[2] / "data" / "reference"


@pytest.fixture
def reference():
    """The recorded calls of the real Druid in one file."""
    return lambda name: json.loads((_RECORDED / name).read_text())


@pytest.fixture
def client():
    """A blocking client whose exchanges end in time."""
    made = HttpClient(timeout_s=20)
    yield made
    made.close()
