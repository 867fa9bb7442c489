"""Druid's V9 segments, read and written.

The public door for data people is `nemeton.segment.open`, which gives columns as Arrow. Engines use `QueryableIndex`,
ingestion uses `write_segment`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemeton.segment.cache import DecodedColumnCache
    from nemeton.segment.column_data import ColumnData, DoubleData, FloatData, LongData, MultiStringData, StringData
    from nemeton.segment.file import SegmentFile, open  # noqa: A004 - the public name
    from nemeton.segment.index import QueryableIndex
    from nemeton.segment.index_spec import IndexSpec
    from nemeton.segment.metadata import SegmentIndexMetadata
    from nemeton.segment.writer import IndexWriter, write_segment

_WHERE = {
    "ColumnData": "column_data",
    "DecodedColumnCache": "cache",
    "DoubleData": "column_data",
    "FloatData": "column_data",
    "IndexSpec": "index_spec",
    "IndexWriter": "writer",
    "LongData": "column_data",
    "MultiStringData": "column_data",
    "QueryableIndex": "index",
    "SegmentFile": "file",
    "SegmentIndexMetadata": "metadata",
    "StringData": "column_data",
    "open": "file",
    "write_segment": "writer",
}

__all__ = [
    "ColumnData",
    "DecodedColumnCache",
    "DoubleData",
    "FloatData",
    "IndexSpec",
    "IndexWriter",
    "LongData",
    "MultiStringData",
    "QueryableIndex",
    "SegmentFile",
    "SegmentIndexMetadata",
    "StringData",
    "open",
    "write_segment",
]


def __getattr__(name: str) -> Any:
    """Import on first use: the room pulls in numpy, and its extension module must not."""
    if name not in _WHERE:
        raise AttributeError(f"module 'nemeton.segment' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"nemeton.segment.{_WHERE[name]}"), name)
