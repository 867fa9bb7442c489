"""Lines that a regular expression takes apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import field, frozen

from nemeton.ingest.formats.chunks import CHUNK_BYTES, SAMPLE_BYTES, line_chunks
from nemeton.ingest.formats.delimited import DEFAULT_LIST_DELIMITER, as_names, check_distinct, split_lists
from nemeton.ingest.values import frame_of
from nemeton.json import json_options
from nemeton.plugins import json_type
from nemeton.query.expressions.regexes import java_regex
from nemeton.spi.ingest import InputFormat, InputRowSchema, ParseProblems, SampledRecords

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 1000
#: Java's classes are of ASCII characters, those of polars' engine are not.
_ASCII = {
    "\\d": "[0-9]",
    "\\D": "[^0-9]",
    "\\w": "[0-9A-Za-z_]",
    "\\W": "[^0-9A-Za-z_]",
    "\\s": "[ \\t\\n\\x0B\\f\\r]",
    "\\S": "[^ \\t\\n\\x0B\\f\\r]",
    "\\b": "(?-u:\\b)",
    "\\B": "(?-u:\\B)",
}


@json_type("regex")
@json_options(omit_none=True)
@frozen(kw_only=True)
class RegexInputFormat(InputFormat):
    """Lines that fit ``pattern`` as a whole; its groups are the columns (Druid: ``RegexInputFormat``).

    ``columns`` names them, else they are ``column_1``, …; a value that holds ``list_delimiter`` is a list. A line that
    does not fit is reported.
    """

    pattern: str
    list_delimiter: str | None = None
    columns: tuple[str, ...] | None = field(default=None, converter=as_names)

    def __attrs_post_init__(self) -> None:
        java_regex(self.pattern)
        check_distinct(self.columns or ())

    @property
    def is_splittable(self) -> bool:
        """Lines may be read apart."""
        return True

    @property
    def names(self) -> list[str]:
        """The columns, one for each group that is wanted."""
        groups = java_regex(self.pattern).groups
        named = self.columns if self.columns is not None else tuple(f"column_{i + 1}" for i in range(groups))
        return list(named[:groups])

    def batches(self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems) -> Iterator[pl.DataFrame]:
        """See :class:`InputFormat`."""
        return self._batches(stream, schema, problems, CHUNK_BYTES)

    def sampled(self, stream: BinaryIO, schema: InputRowSchema) -> Iterator[SampledRecords]:
        """See :class:`InputFormat`."""
        return self.sampled_from(lambda problems: self._batches(stream, schema, problems, SAMPLE_BYTES))

    def _batches(
        self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems, size: int
    ) -> Iterator[pl.DataFrame]:
        for chunk in line_chunks(stream, size):
            frame = self._parse(_lines(chunk), schema, problems)
            if frame.height:
                yield split_lists(frame, self.list_delimiter or DEFAULT_LIST_DELIMITER, schema)

    def _parse(self, lines: pl.Series, schema: InputRowSchema, problems: ParseProblems) -> pl.DataFrame:
        import polars as pl

        try:
            fits, groups = _match_fast(lines, self.pattern)
        except pl.exceptions.ComputeError:  # look-around, references back
            fits, groups = _match_slowly(lines, java_regex(self.pattern))
        if not fits.all():
            bad = lines.filter(~fits).head(problems.wanted_samples)
            samples = [(line[:_SHOWN], f"Unable to parse row [{line[:_SHOWN]}]") for line in bad.to_list()]
            problems.unparseable_many(int((~fits).sum()), samples)
        columns = {n: column for n, column in zip(self.names, groups, strict=False) if schema.wants(n)}
        return frame_of(columns, len(lines)).filter(fits)


def _lines(chunk: bytes) -> pl.Series:
    import polars as pl

    text = chunk.decode("utf-8", "replace").removesuffix("\n")
    return pl.Series("line", [text]).str.split("\n").explode().str.strip_suffix("\r")


def _match_fast(lines: pl.Series, pattern: str) -> tuple[pl.Series, list[pl.Series]]:
    """Which lines fit, and the column of each group."""
    translated = re.sub(r"\\.", lambda found: _ASCII.get(found[0], found[0]), pattern, flags=re.DOTALL)
    whole = f"^(?:{translated})$"
    groups = lines.str.extract_groups(whole)
    return lines.str.contains(whole), [groups.struct.field(name) for name in groups.struct.fields]


def _match_slowly(lines: pl.Series, pattern: re.Pattern[str]) -> tuple[pl.Series, list[pl.Series]]:
    import polars as pl

    found: list[Any] = [pattern.fullmatch(line) for line in lines.to_list()]
    fits = pl.Series([match is not None for match in found])
    columns = [[match and match[i + 1] for match in found] for i in range(pattern.groups)]
    return fits, [pl.Series(values, dtype=pl.String) for values in columns]
