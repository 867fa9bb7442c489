"""``nemeton tools dump-segment``."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nemeton.segment import QueryableIndex


@click.command("dump-segment")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("-d", "--directory", type=click.Path(exists=True, path_type=Path), help="The segment; same as PATH.")
@click.option("-o", "--out", type=click.File("wb", lazy=False), default="-", help="File to write to instead of stdout.")
@click.option("-c", "--column", "columns", multiple=True, help="Column to include (repeatable); all when left out.")
@click.option("--time-iso8601", is_flag=True, help="Show __time as a date and time instead of milliseconds.")
@click.option(
    "--dump",
    "what",
    type=click.Choice(["rows", "bitmaps"], case_sensitive=False),
    default="rows",
    show_default=True,
    help="What to print: rows, or the bitmap indexes of string columns.",
)
@click.option("--decompress-bitmaps", is_flag=True, help="Show bitmaps as row numbers instead of base64.")
def dump_segment(
    path: Path | None,
    directory: Path | None,
    out: IO[bytes],
    columns: tuple[str, ...],
    time_iso8601: bool,
    what: str,
    decompress_bitmaps: bool,
) -> None:
    """Print the rows of the segment in PATH, a folder or an index.zip: one JSON object a line.

    Columns of a kind that cannot be read yet are left out, with a note on stderr; naming one is an error.
    """
    from nemeton.common.errors import DruidException

    place = path or directory
    if place is None:
        raise click.UsageError("Which segment? Give PATH or --directory.")
    try:
        if place.is_file():
            _dump_zip(place, out, columns, time_iso8601, what, decompress_bitmaps)
        else:
            _dump(place, out, columns, time_iso8601, what, decompress_bitmaps)
    except DruidException as e:
        raise click.ClickException(e.message) from e


def _dump_zip(place: Path, *options: Any) -> None:
    import tempfile

    from nemeton.segment.zipped import unpack_zip

    with tempfile.TemporaryDirectory(prefix="nemeton-segment-") as folder:
        unpack_zip(place, Path(folder))
        _dump(Path(folder), *options)


def _dump(
    directory: Path, out: IO[bytes], columns: tuple[str, ...], time_iso8601: bool, what: str, decompress: bool
) -> None:
    from nemeton.segment import QueryableIndex

    index = QueryableIndex.open(directory)
    try:
        names = list(columns) or _readable(index)
        if what == "bitmaps":
            _write_bitmaps(index, names, out, decompress)
        else:
            _write_rows(index, names, out, time_iso8601)
    finally:
        index.close()


def _readable(index: QueryableIndex) -> list[str]:
    from nemeton.segment.columns import UnsupportedColumn

    names = []
    for name in index.column_names:
        column = index.column(name)
        if isinstance(column, UnsupportedColumn):
            click.echo(f"Column [{name}] of type [{column.type}] is not supported yet and left out", err=True)
        else:
            names.append(name)
    return names


def _write_rows(index: QueryableIndex, names: list[str], out: IO[bytes], time_iso8601: bool) -> None:
    import msgspec

    from nemeton.segment.rows import json_rows
    from nemeton.time import format_datetime

    encoder = msgspec.json.Encoder()
    for row in json_rows(index, names):
        if time_iso8601 and "__time" in row:
            row["__time"] = format_datetime(row["__time"])
        out.write(encoder.encode(row) + b"\n")


def _write_bitmaps(index: QueryableIndex, names: list[str], out: IO[bytes], decompress: bool) -> None:
    import base64

    import msgspec

    from nemeton.segment.columns import StringColumn

    bitmaps: dict[str, Any] = {}
    for name in names:
        column = index.column(name)
        if not isinstance(column, StringColumn) or not column.has_bitmap_index:
            bitmaps[name] = None
            continue
        shown = bitmaps[name] = {}
        for code, value in enumerate(column.values_list()):
            bitmap = column.bitmap(code)
            key = "null" if value is None else value
            shown[key] = list(bitmap) if decompress else base64.b64encode(bitmap.serialize()).decode()
    out.write(msgspec.json.encode({"bitmapSerdeFactory": {"type": "roaring"}, "bitmaps": bitmaps}) + b"\n")
