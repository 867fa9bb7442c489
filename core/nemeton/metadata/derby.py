"""The store type ``derby``, Druid's default, is known only so that it can be refused with the mend."""

from __future__ import annotations

from typing import ClassVar

from nemeton.metadata.uris import DERBY_MEND, refuse_derby
from nemeton.plugins import json_type
from nemeton.spi.metadata import MetadataStorageDialect


@json_type("derby")
class RefusedDerbyDialect(MetadataStorageDialect):
    """Refused when it is chosen; raises if it is asked for anything all the same."""

    refused: ClassVar[str] = DERBY_MEND

    def url(self, connect_uri: str | None, user: str | None, password: str | None, host: str, port: int) -> str:
        """Raise ``invalidInput``, saying what to use instead."""
        refuse_derby("derby")
        raise AssertionError("unreachable")
