"""Comma-separated values as RFC 4180 has them, but for line ends: each line is a record."""

from __future__ import annotations

from attrs import frozen

from nemeton.ingest.formats.delimited import FlatTextInputFormat
from nemeton.json import json_options
from nemeton.plugins import json_type


@json_type("csv")
@json_options(omit_none=True)
@frozen(kw_only=True)
class CsvInputFormat(FlatTextInputFormat):
    """Values between commas; in double quotes they may hold commas, but as in Druid no line ends.

    ``""`` is not null.
    """

    @property
    def separator(self) -> str:
        """The comma."""
        return ","

    @property
    def quoted(self) -> bool:
        """Yes."""
        return True
