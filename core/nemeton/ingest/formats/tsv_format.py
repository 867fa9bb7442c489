"""Values between tabs or any other delimiter, without quotes."""

from __future__ import annotations

from attrs import frozen

from nemeton.ingest.formats.delimited import FlatTextInputFormat
from nemeton.json import json_options
from nemeton.plugins import json_type


@json_type("tsv")
@json_options(omit_none=True)
@frozen(kw_only=True)
class DelimitedInputFormat(FlatTextInputFormat):
    """Values between ``delimiter`` (a tab when it is not given); quotes are plain characters."""

    delimiter: str | None = None

    @property
    def separator(self) -> str:
        """The delimiter that counts."""
        return "\t" if self.delimiter is None else self.delimiter

    @property
    def quoted(self) -> bool:
        """No."""
        return False
