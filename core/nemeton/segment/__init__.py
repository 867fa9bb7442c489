"""Druid's V9 segments, read and written.

The public door for data people is `nemeton.segment.open`, which gives columns as Arrow. Engines use `QueryableIndex`,
ingestion uses `write_segment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemeton.segment.cache import DecodedColumnCache
    from nemeton.segment.column_data import (
        AutoData,
        ColumnData,
        ComplexData,
        DocumentData,
        DoubleData,
        FloatData,
        LongData,
        MultiStringData,
        PairData,
        StringData,
    )
    from nemeton.segment.file import SegmentFile, open  # noqa: A004 - the public name
    from nemeton.segment.index import QueryableIndex
    from nemeton.segment.index_spec import IndexSpec
    from nemeton.segment.metadata import SegmentIndexMetadata
    from nemeton.segment.typed_values import TypedValues
    from nemeton.segment.writer import IndexWriter, write_segment

_WHERE = {
    "AutoData": "column_data",
    "ColumnData": "column_data",
    "ComplexData": "column_data",
    "DecodedColumnCache": "cache",
    "DocumentData": "column_data",
    "DoubleData": "column_data",
    "FloatData": "column_data",
    "IndexSpec": "index_spec",
    "IndexWriter": "writer",
    "LongData": "column_data",
    "MultiStringData": "column_data",
    "PairData": "column_data",
    "QueryableIndex": "index",
    "SegmentFile": "file",
    "SegmentIndexMetadata": "metadata",
    "StringData": "column_data",
    "TypedValues": "typed_values",
    "open": "file",
    "write_segment": "writer",
}

__all__ = [
    "AutoData",
    "ColumnData",
    "ComplexData",
    "DecodedColumnCache",
    "DocumentData",
    "DoubleData",
    "FloatData",
    "IndexSpec",
    "IndexWriter",
    "LongData",
    "MultiStringData",
    "PairData",
    "QueryableIndex",
    "SegmentFile",
    "SegmentIndexMetadata",
    "StringData",
    "TypedValues",
    "open",
    "write_segment",
]


def __getattr__(name: str) -> Any:
    """Import on first use: the room pulls in numpy, and its extension module must not."""
    if name not in _WHERE:
        raise AttributeError(f"module 'nemeton.segment' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"nemeton.segment.{_WHERE[name]}"), name)
