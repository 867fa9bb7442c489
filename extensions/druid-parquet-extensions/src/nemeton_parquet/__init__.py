"""The extension ``druid-parquet-extensions``: the input format ``parquet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemeton.spi import hookimpl, lazy

if TYPE_CHECKING:
    from nemeton.plugins import LazyType

NEMETON_API = ">=1.0,<2"


@hookimpl
def input_formats() -> list[type | LazyType]:
    """The input format ``parquet``."""
    return [lazy("parquet", "nemeton_parquet.input_format:ParquetInputFormat")]
