"""Data that stands in the task itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.plugins import json_type
from nemeton.spi.ingest import InputEntity, InputSource


@frozen
class InlineEntity(InputEntity):
    """A text."""

    text: str

    @property
    def uri(self) -> str:
        """It has none."""
        return "inline data"

    @property
    def size(self) -> int:
        """Its length in UTF-8."""
        return len(self.text.encode())

    def open(self) -> BinaryIO:
        """The text in UTF-8."""
        return io.BytesIO(self.text.encode())


@json_type("inline")
@frozen
class InlineInputSource(InputSource):
    """``data``: the input as text."""

    data: str

    def __attrs_post_init__(self) -> None:
        if not self.data:
            raise invalid_input("data of the inline input source must not be empty (inputSource.data)")

    def entities(self) -> Iterator[InputEntity]:
        """The text, as one entity."""
        yield InlineEntity(self.data)
