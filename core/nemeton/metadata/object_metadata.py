"""The plainest data source metadata."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.json import wire
from nemeton.plugins import json_type
from nemeton.spi.data_source_metadata import DataSourceMetadata


@json_type("object")
@frozen
class ObjectMetadata(DataSourceMetadata):
    """Any JSON value, which matches itself. None is the start of everything."""

    the_object: Any | None = field(default=None, metadata=wire("object"))

    def is_valid_start(self) -> bool:
        """See the base class."""
        return self.the_object is None

    def matches(self, other: DataSourceMetadata) -> bool:
        """See the base class."""
        return self == other

    def plus(self, other: DataSourceMetadata) -> DataSourceMetadata:
        """See the base class."""
        return other
