"""What CSV and TSV share: columns by header or by list, lists within a value, parsing chunk by chunk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.ingest.formats.chunks import CHUNK_BYTES, SAMPLE_BYTES, count_lines, line_chunks, skip_lines
from nemeton.ingest.formats.csv_lines import has_regular_quotes, is_regular, values_of
from nemeton.ingest.values import column_of
from nemeton.json import wire
from nemeton.spi.ingest import InputFormat, InputRowSchema, ParseProblems, SampledRecords

if TYPE_CHECKING:
    import polars as pl

DEFAULT_LIST_DELIMITER = "\x01"


def as_names(value: Any) -> tuple[str, ...] | None:
    """Column names as JSON has them."""
    return None if value is None else tuple(value)


def check_distinct(names: Sequence[str | None]) -> None:
    """Refuse columns that occur twice."""
    if duplicates := sorted({name for name in names if name and names.count(name) > 1}):
        raise invalid_input(f"Duplicate column entries found : {duplicates} (inputFormat)")


def split_lists(frame: pl.DataFrame, mark: str, schema: InputRowSchema) -> pl.DataFrame:
    """Values that hold the mark as lists. A list of one is its value, except where it is wanted as it is."""
    import polars as pl

    texts = [name for name in frame.columns if frame[name].dtype == pl.String]
    having = [name for name in texts if frame[name].str.contains(mark, literal=True).any()]
    made = frame.with_columns(pl.col(name).str.split(mark) for name in having)
    exact = [name for name in having if schema.target(name) == "VALUE"]
    return made.with_columns(column_of(name, _singles(made[name].to_list()), "VALUE") for name in exact)


def _singles(rows: list[Any]) -> list[Any]:
    return [row[0] if row is not None and len(row) == 1 else row for row in rows]


@frozen(kw_only=True)
class FlatTextInputFormat(InputFormat):
    """Lines of values between delimiters (Druid: ``FlatTextInputFormat``).

    An empty value is null; a value that holds ``list_delimiter`` is a list, whose empty parts are empty strings. Lines
    that are shorter than the columns leave the rest null, longer ones are cut.
    """

    columns: tuple[str, ...] | None = field(default=None, converter=as_names)
    list_delimiter: str | None = None
    find_columns_from_header: bool | None = None
    has_header_row: bool | None = None
    skip_header_rows: int = 0
    try_parse_numbers: bool = False
    chunk_bytes: int | None = field(default=None, metadata=wire(skip=True))

    def __attrs_post_init__(self) -> None:
        if not self.columns:
            self._check_header()
        if self.skip_header_rows < 0:
            raise invalid_input(f"skipHeaderRows[{self.skip_header_rows}] must not be negative (inputFormat)")
        if self.separator == self.list_separator:
            raise invalid_input(f"Cannot have same delimiter and list delimiter of [{self.separator}]")
        check_distinct(self.columns or ())
        for name in self.columns or ():
            if self.separator in name:
                raise invalid_input(f"Column[{name}] cannot have the delimiter[{self.separator}] in its name")

    def _check_header(self) -> None:
        if self.has_header_row is not None and self.find_columns_from_header is not None:
            raise invalid_input("Cannot accept both [findColumnsFromHeader] and [hasHeaderRow]")
        if self.has_header_row is None and self.find_columns_from_header is None:
            raise invalid_input("Either [columns] or [findColumnsFromHeader] must be set (inputFormat)")
        if not self.header:
            raise invalid_input(
                "If [columns] is not set, the first row of your data must have your header "
                "and [findColumnsFromHeader] must be set to true."
            )

    @property
    def is_splittable(self) -> bool:
        """Lines may be read apart, when there is no header to find."""
        return not self.header and not self.skip_header_rows

    @property
    def header(self) -> bool:
        """Whether the first line names the columns; as in Druid, names that are found go before ``columns``."""
        return bool(self.find_columns_from_header or (self.has_header_row and not self.columns))

    @property
    def list_separator(self) -> str:
        """The list delimiter that counts."""
        return DEFAULT_LIST_DELIMITER if self.list_delimiter is None else self.list_delimiter

    @property
    @abstractmethod
    def separator(self) -> str:
        """What stands between values."""

    @property
    @abstractmethod
    def quoted(self) -> bool:
        """Whether a value may stand in double quotes."""

    def batches(self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems) -> Iterator[pl.DataFrame]:
        """See :class:`InputFormat`."""
        chunks = skip_lines(line_chunks(stream, self.chunk_bytes or CHUNK_BYTES), self.skip_header_rows)
        names = list(self.columns or ())
        first = True
        for chunk in chunks:
            if first and self.header:
                names, chunk = self._split_header(chunk)
            first = False
            if chunk:
                yield self._parse(chunk, names, schema)

    def sampled(self, stream: BinaryIO, schema: InputRowSchema) -> Iterator[SampledRecords]:
        """See :class:`InputFormat`."""
        return super().sampled(stream, schema) if self.chunk_bytes else self._in_small_chunks().sampled(stream, schema)

    def _in_small_chunks(self) -> FlatTextInputFormat:
        return evolve(self, chunk_bytes=SAMPLE_BYTES)

    def _split_header(self, chunk: bytes) -> tuple[list[str], bytes]:
        end = chunk.find(b"\n") + 1 or len(chunk)
        line = chunk[:end].decode("utf-8", "replace").rstrip("\r\n")
        names = next(iter(self._read_rows(line)), [])
        check_distinct(names)
        return [name or f"column_{i + 1}" for i, name in enumerate(names)], chunk[end:]

    def _parse(self, chunk: bytes, names: Sequence[str], schema: InputRowSchema) -> pl.DataFrame:
        wanted = [i for i, name in enumerate(names) if schema.wants(name)] or [0]
        frame = None
        if len(self.separator.encode()) == 1:
            frame = self._parse_fast(chunk, len(names), wanted)
        if frame is None:
            frame = self._parse_slowly(chunk, wanted)
        frame.columns = [names[i] for i in wanted]
        mark = self.list_separator
        if mark and mark.encode() in chunk:
            frame = split_lists(frame, mark, schema)
        return _with_numbers(frame, schema) if self.try_parse_numbers else frame

    def _parse_fast(self, chunk: bytes, width: int, wanted: list[int]) -> pl.DataFrame | None:
        """By polars; None when it does not accept the chunk, or would not read it as Druid does (odd quotes)."""
        has_quotes = self.quoted and b'"' in chunk
        if has_quotes and not has_regular_quotes(chunk):
            return None
        # A header of our own says how many columns there are, however many the first line has.
        header = self.separator.join(map(str, range(width))).encode() + b"\n"
        frame = _read_csv(header + chunk, self.separator, '"' if has_quotes else None, wanted)
        # No line is lost: then no value goes over several of them either.
        if frame is None or not has_quotes or frame.height == count_lines(chunk) or is_regular(chunk):
            return frame
        return None

    def _parse_slowly(self, chunk: bytes, wanted: list[int]) -> pl.DataFrame:
        import polars as pl

        rows = list(self._read_rows(chunk.decode("utf-8", "replace")))
        columns = [[row[i] if i < len(row) else None for row in rows] for i in wanted]
        return pl.DataFrame(
            {str(i): pl.Series(values, dtype=pl.String) for i, values in zip(wanted, columns, strict=True)}
        )

    def _read_rows(self, text: str) -> Iterator[list[str | None]]:
        """Line by line, which is slower."""
        for line in text.removesuffix("\n").split("\n"):
            line = line.removesuffix("\r")
            if self.quoted:
                yield values_of(line)
            else:
                yield [value or None for value in line.split(self.separator)]


def _read_csv(text: bytes, separator: str, quote: str | None, wanted: list[int]) -> pl.DataFrame | None:
    """The wanted columns as texts. What is no UTF-8 is replaced, which is slower, so that comes second."""
    import polars as pl

    for encoding in ("utf8", "utf8-lossy"):
        try:
            return pl.read_csv(
                text,
                separator=separator,
                quote_char=quote,
                columns=wanted,
                infer_schema=False,
                truncate_ragged_lines=True,
                encoding=encoding,
            )
        except (pl.exceptions.ComputeError, pl.exceptions.SchemaError, pl.exceptions.ShapeError):
            continue
    return None


def _with_numbers(frame: pl.DataFrame, schema: InputRowSchema) -> pl.DataFrame:
    from nemeton.ingest.formats.text_numbers import parse_numbers

    return frame.with_columns(parse_numbers(frame[name], schema.target(name)) for name in frame.columns)
