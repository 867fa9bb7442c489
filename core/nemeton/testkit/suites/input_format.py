"""What every input format owes ingestion."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, BinaryIO, cast

import pytest

from nemeton.json import Json
from nemeton.plugins import TypeRegistry
from nemeton.spi.ingest import InputFormat, InputRowSchema

ALL_COLUMNS = InputRowSchema(discover=True)


class Problems:
    """Keeps the records that could not be parsed."""

    wanted_samples = 10

    def __init__(self) -> None:
        self.count = 0
        self.samples: list[tuple[str | None, str]] = []

    def unparseable(self, record: str | None, message: str) -> None:
        """One."""
        self.unparseable_many(1, [(record, message)])

    def unparseable_many(self, count: int, samples: Sequence[tuple[str | None, str]]) -> None:
        """Several."""
        self.count += count
        self.samples += samples


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes, step: int) -> None:
        """Give at most ``step`` bytes per read."""
        self._inner = io.BytesIO(data)
        self._step = step

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """At most a step."""
        data = self._inner.read(min(self._step, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def rows_of(
    input_format: InputFormat,
    stream: BinaryIO | bytes,
    schema: InputRowSchema = ALL_COLUMNS,
    problems: Problems | None = None,
) -> list[dict[str, Any]]:
    """The records that the format reads, without columns that are null; scalars as text."""
    source = cast(BinaryIO, io.BytesIO(stream)) if isinstance(stream, bytes) else stream
    rows: list[dict[str, Any]] = []
    for batch in input_format.batches(source, schema, problems if problems is not None else Problems()):
        for row in batch.to_dicts():
            rows.append({k: _text(v) for k, v in row.items() if v is not None and schema.wants(k)})
    return rows


def _text(value: Any) -> Any:
    if isinstance(value, list):  # a list of one value is that value
        return _text(value[0]) if len(value) == 1 else [_text(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


class InputFormatSuite:
    """Subclass it, and override `input_format`, `sample` and `rows`; `broken_sample` where records can be broken."""

    @pytest.fixture
    def input_format(self) -> InputFormat:
        """The format that is tested."""
        raise NotImplementedError("override the fixture `input_format`")

    @pytest.fixture
    def sample(self) -> bytes:
        """Some records, all of them good, with at least two columns."""
        raise NotImplementedError("override the fixture `sample`")

    @pytest.fixture
    def rows(self) -> list[dict[str, Any]]:
        """The sample's records: column → text, or list of texts; columns that are null are left out."""
        raise NotImplementedError("override the fixture `rows`")

    @pytest.fixture
    def broken_sample(self) -> tuple[bytes, int] | None:
        """Records of which some are broken, and how many are; None when nothing can be broken."""
        return None

    def test_it_reads_every_record(self, input_format: InputFormat, sample: bytes, rows: list[dict[str, Any]]) -> None:
        """In order."""
        problems = Problems()
        assert rows_of(input_format, sample, problems=problems) == rows
        assert problems.count == 0

    @pytest.mark.parametrize("step", [1, 7, 4096])
    def test_it_does_not_matter_how_the_bytes_come(
        self, input_format: InputFormat, sample: bytes, rows: list[dict[str, Any]], step: int
    ) -> None:
        """A read may stop anywhere, in the middle of a character too."""
        stream = cast(BinaryIO, io.BufferedReader(Trickle(sample, step), buffer_size=max(step, 2)))
        assert rows_of(input_format, stream) == rows

    def test_many_records_come_in_order(
        self, input_format: InputFormat, sample: bytes, rows: list[dict[str, Any]]
    ) -> None:
        """Read twice in a row, a format gives the same: it keeps no state between streams."""
        assert rows_of(input_format, sample) + rows_of(input_format, sample) == rows + rows

    def test_it_reads_the_columns_that_are_wanted(
        self, input_format: InputFormat, sample: bytes, rows: list[dict[str, Any]]
    ) -> None:
        """One that is not in the input is null, and no error."""
        name = next(iter(rows[0]))
        schema = InputRowSchema(columns={name: "STRING", "no such column": "STRING"})
        assert rows_of(input_format, sample, schema) == [{k: v for k, v in row.items() if k == name} for row in rows]

    def test_an_exclusion_is_left_out(
        self, input_format: InputFormat, sample: bytes, rows: list[dict[str, Any]]
    ) -> None:
        """When columns are discovered."""
        name = next(iter(rows[0]))
        schema = InputRowSchema(discover=True, exclusions=frozenset({name}))
        assert rows_of(input_format, sample, schema) == [{k: v for k, v in row.items() if k != name} for row in rows]

    def test_broken_records_are_told_and_left_out(
        self, input_format: InputFormat, broken_sample: tuple[bytes, int] | None
    ) -> None:
        """The good ones are read; the broken ones are counted, with a sample that says what is wrong."""
        if broken_sample is None:
            return  # nothing can be broken
        data, count = broken_sample
        problems = Problems()
        rows_of(input_format, data, problems=problems)
        assert problems.count == count
        assert problems.samples
        assert all(message for _, message in problems.samples)

    def test_its_json_survives(self, input_format: InputFormat) -> None:
        """A sub-task gets its format as JSON."""
        registry = TypeRegistry()
        registry.add("input_formats", type(input_format))
        json = Json(registry)
        assert json.loads(json.dumps(input_format), InputFormat) == input_format
