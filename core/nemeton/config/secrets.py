"""Which properties must never be shown."""

from __future__ import annotations

import re

HIDDEN = "<masked>"
"""What stands in the place of a secret (Druid's word in ``/status/properties``)."""

_SECRET = re.compile(r"password|secret|accesskey|token|credential|apikey|privatekey|basicauth", re.IGNORECASE)


def is_secret(key: str) -> bool:
    """Whether the property's value must be hidden, judged by its name."""
    return _SECRET.search(key.rsplit("/", 1)[-1]) is not None
