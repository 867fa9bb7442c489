"""The input sources and formats of core."""

from __future__ import annotations

from collections.abc import Sequence

from nemeton.plugins import LazyType, hookimpl, lazy


@hookimpl
def input_sources() -> Sequence[LazyType]:
    """Files, text in the task, web servers, several sources as one."""
    return [
        lazy("local", "nemeton.ingest.sources.local:LocalInputSource"),
        lazy("inline", "nemeton.ingest.sources.inline:InlineInputSource"),
        lazy("http", "nemeton.ingest.sources.http:HttpInputSource"),
        lazy("combining", "nemeton.ingest.sources.combining:CombiningInputSource"),
    ]


@hookimpl
def input_formats() -> Sequence[LazyType]:
    """CSV, TSV, JSON lines, lines that fit a regular expression."""
    return [
        lazy("csv", "nemeton.ingest.formats.csv_format:CsvInputFormat"),
        lazy("tsv", "nemeton.ingest.formats.tsv_format:DelimitedInputFormat"),
        lazy("json", "nemeton.ingest.formats.json_lines:JsonInputFormat"),
        lazy("regex", "nemeton.ingest.formats.regex_format:RegexInputFormat"),
    ]
