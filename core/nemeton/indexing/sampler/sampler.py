"""Samples an input: reads some records, ingests them into a segment of its own, and shows what became of each."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from nemeton.common.errors import capacity_exceeded, invalid_input
from nemeton.common.units import HumanReadableBytes
from nemeton.indexing.overlord.action_clients import LocalTaskActionClient, OverlordActionToolbox
from nemeton.indexing.sampler.reader import ROW_NUMBER, SampledRow, SamplingReader
from nemeton.indexing.sampler.segment import SampledSegment
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.ingest.schema import DataSchema, TimestampSpec
from nemeton.json import Json
from nemeton.spi.indexing import TaskActionClient, TaskConfig
from nemeton.spi.ingest import InputFormat, InputSource
from nemeton.spi.storage import DataSegmentPuller
from nemeton.time import Granularity

_MAX_ROWS = 5000
_MOST_AT_ONCE = 16
_UNLIMITED = HumanReadableBytes(2**63 - 1)
_ZERO = HumanReadableBytes(0)


@frozen(kw_only=True)
class SamplerConfig:
    """How much to read: records, milliseconds, bytes of rows, bytes of the answer (0: any number)."""

    num_rows: int = 200
    timeout_ms: int = 10_000
    max_bytes_in_memory: HumanReadableBytes = _UNLIMITED
    max_client_response_bytes: HumanReadableBytes = _ZERO

    def __attrs_post_init__(self) -> None:
        if self.num_rows > _MAX_ROWS:
            raise invalid_input(f"numRows must be <= {_MAX_ROWS}")


@frozen
class SamplerToolbox:
    """What input sources may use of the Overlord; see :class:`InputToolbox`."""

    config: TaskConfig
    action_client: TaskActionClient
    data_segment_puller: DataSegmentPuller
    work_dir: Path


class InputSourceSampler:
    """Samples inputs (Druid's name). Thread-safe; so many threads read at once and no more."""

    def __init__(
        self, json: Json, config: TaskConfig, actions: OverlordActionToolbox, puller: DataSegmentPuller
    ) -> None:
        self._json = json
        self._config = config
        self._actions = actions
        self._puller = puller
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def sample(
        self, source: InputSource, input_format: InputFormat | None, schema: DataSchema | None, config: SamplerConfig
    ) -> dict[str, Any]:
        """The answer. What cannot be read when the time is over is left out. Raises a `DruidException`."""
        schema = schema or DataSchema(data_source="sampler", timestamp_spec=TimestampSpec())
        work_dir = Path(tempfile.mkdtemp(prefix="sampler"))
        try:
            bound = source.for_task(self._toolbox(work_dir))
            reader = _reader(bound, input_format, _sampled_schema(schema, bound, self._json), config)
            self._read(reader, config)
            rows, batches = reader.taken()
            segment = SampledSegment(reader.schema, list(reader.discovered), self._json)
            parsed = segment.ingest(batches, work_dir)
            return self._answer(segment, rows, parsed, config)
        finally:
            shutil.rmtree(work_dir, ignore_errors=True)

    def _toolbox(self, work_dir: Path) -> SamplerToolbox:
        client = LocalTaskActionClient(NoopTask(id="sampler"), self._actions)
        return SamplerToolbox(self._config, client, self._puller, work_dir)

    def _read(self, reader: SamplingReader, config: SamplerConfig) -> None:
        """Read in a thread of its own, as a source may not answer at all; it ends when its source does."""
        if not self._free.acquire(blocking=False):
            raise capacity_exceeded(f"[{_MOST_AT_ONCE}] samples are being read already; try again later")
        failures: list[Exception] = []
        done = threading.Event()

        def read() -> None:
            try:
                reader.read()
            except Exception as e:  # noqa: BLE001 - raised below
                failures.append(e)
            finally:
                done.set()
                self._free.release()

        threading.Thread(target=read, name="sampler", daemon=True).start()
        done.wait(config.timeout_ms / 1000 if config.timeout_ms > 0 else None)
        reader.stopped.set()
        if failures:
            raise failures[0]

    def _answer(
        self,
        segment: SampledSegment,
        rows: list[SampledRow],
        parsed: Mapping[int, dict[str, Any]],
        config: SamplerConfig,
    ) -> dict[str, Any]:
        shown = [_response_row(row, parsed.get(number)) for number, row in enumerate(rows) if row.kept]
        shown, limited = self._limited(shown, int(config.max_client_response_bytes))
        indexed = sum("input" in row for row in shown) if limited else sum(row.kept and not row.error for row in rows)
        return {
            "numRowsRead": len(shown),
            "numRowsIndexed": indexed,
            "logicalDimensions": segment.logical_dimensions,
            "physicalDimensions": segment.dimensions,
            "logicalSegmentSchema": segment.signature(),
            "data": [row for row in shown if "parsed" in row or "unparseable" in row],
        }

    def _limited(self, rows: list[dict[str, Any]], most: int) -> tuple[list[dict[str, Any]], bool]:
        """The first rows, up to the one with which the answer gets larger than it may be; whether some are cut."""
        if most <= 0:
            return rows, False
        size = 0
        for count, row in enumerate(rows, 1):
            size += len(self._json.dumps(row))
            if size > most:
                return rows[:count], True
        return rows, False


def _sampled_schema(schema: DataSchema, source: InputSource, json: Json) -> DataSchema:
    """The schema for one segment, whatever its time, with the row numbers."""
    from nemeton.spi.query import AggregatorFactory

    number = json.structure({"type": "longMin", "name": ROW_NUMBER, "fieldName": ROW_NUMBER}, AggregatorFactory)
    granularity = evolve(
        schema.granularity_spec, type="uniform", segment_granularity=Granularity.parse("ALL"), intervals=()
    )
    schema = schema.timed_by(source.time_column)
    return evolve(schema, granularity_spec=granularity, metrics_spec=(*schema.metrics_spec, number))


def _reader(
    source: InputSource, input_format: InputFormat | None, schema: DataSchema, config: SamplerConfig
) -> SamplingReader:
    from nemeton.ingest.meters import ParseExceptionHandler, RowMeters

    meters = RowMeters()
    return SamplingReader(
        schema,
        source,
        input_format,
        meters,
        ParseExceptionHandler(meters),
        limit=config.num_rows,
        max_bytes=int(config.max_bytes_in_memory),
    )


def _response_row(row: SampledRow, parsed: dict[str, Any] | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if row.record.values is not None:
        out["input"] = row.record.values
    if parsed is not None:
        out["parsed"] = parsed
    if row.error is not None:
        line = row.record.line
        where = [f"Path: {row.origin}"] if row.origin else []
        where += [f"Line: {line}"] if line else []
        out |= {"unparseable": True, "error": f"{row.error} ({', '.join(where)})" if where else row.error}
    return out
