from __future__ import annotations

import json
from pathlib import Path

import pytest

_RECORDED = Path(__file__).parents[2] / "data" / "reference"


@pytest.fixture
def reference():
    """The recorded calls of the real Druid in one file."""
    return lambda name: json.loads((_RECORDED / name).read_text())
