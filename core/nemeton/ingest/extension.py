"""The input sources and formats of core."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def input_sources() -> Sequence[LazyType]:
    """Files, text in the task, web servers."""
    return [
        lazy("local", "nemeton.ingest.sources.local:LocalInputSource"),
        lazy("inline", "nemeton.ingest.sources.inline:InlineInputSource"),
        lazy("http", "nemeton.ingest.sources.http:HttpInputSource"),
    ]


@hookimpl
def input_formats() -> Sequence[LazyType]:
    """CSV, TSV, JSON lines."""
    return [
        lazy("csv", "nemeton.ingest.formats.csv_format:CsvInputFormat"),
        lazy("tsv", "nemeton.ingest.formats.tsv_format:DelimitedInputFormat"),
        lazy("json", "nemeton.ingest.formats.json_lines:JsonInputFormat"),
    ]
