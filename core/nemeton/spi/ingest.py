"""What authors of input sources and input formats implement: where bytes come from, and how they become columns.

Ingestion is columnar from the parser on: a format hands out batches of *raw columns*; timestamps, types and dimensions
are worked out for whole batches by the framework. A record that cannot be parsed is reported to the
:class:`ParseProblems` of the read and left out; it is never lost silently.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol

from attrs import field, frozen

from nemeton.plugins import extension_point

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from nemeton.model import DataSegment
    from nemeton.spi.indexing import TaskActionClient, TaskConfig
    from nemeton.spi.storage import DataSegmentPuller

__all__ = [
    "InputEntity",
    "InputFormat",
    "InputRowSchema",
    "InputSource",
    "InputToolbox",
    "ParseProblems",
    "SampledRecord",
    "SampledRecords",
]


class InputEntity(ABC):
    """One thing to read, a file as a rule (Druid: ``InputEntity``)."""

    @property
    @abstractmethod
    def uri(self) -> str:
        """Its name in messages: a URI or a path, without credentials."""

    @property
    def size(self) -> int | None:
        """Its size in bytes as stored, an estimate; None when it is not known without reading."""
        return None

    @property
    def modified_ms(self) -> int | None:
        """When it last changed, milliseconds since the epoch; None when that is not known without reading."""
        return None

    @abstractmethod
    def open(self) -> BinaryIO:
        """Open it for reading from the start. The bytes come as stored; the framework unpacks what is compressed.

        Raises ``DruidException`` when it is not there or may not be read. The caller closes the stream.
        """

    def system_field(self, name: str) -> str | None:
        """The value of ``__file_uri``, ``__file_bucket`` or ``__file_path``; None where it has no meaning."""
        return self.uri if name == "__file_uri" else None


@extension_point(hook="input_sources", name="input source")
class InputSource(ABC):
    """Where input data is (Druid: ``InputSource``). Subclasses are frozen attrs classes; their fields are the JSON.

    What the operator decides (allowed protocols, say) comes into a field marked ``wire(injected=True)``.
    """

    #: False for sources whose rows come without a format (Druid: ``needsFormat``).
    needs_format: ClassVar[bool] = True

    @abstractmethod
    def entities(self) -> Iterator[InputEntity]:
        """What there is to read, in a stable order. May list lazily; raises ``DruidException`` when it cannot."""

    @property
    def wanted_system_fields(self) -> Sequence[str]:
        """The system fields that the spec asks for, which become columns of every record where they are used."""
        return ()

    def described_entities(self) -> Iterator[tuple[InputEntity, Mapping[str, str | None]]]:
        """The entities with the system fields of their records."""
        for entity in self.entities():
            yield entity, {name: entity.system_field(name) for name in self.wanted_system_fields}

    @property
    def is_splittable(self) -> bool:
        """Whether :meth:`splits` can cut the source, so that several tasks may share the work."""
        return False

    def splits(self, max_bytes: int, max_entities: int) -> Iterator[InputSource]:
        """Cut into sources that together hold the same entities; here each stays below both bounds where it can."""
        yield self

    def for_task(self, toolbox: InputToolbox) -> InputSource:
        """The source with what it needs of the place where it is read (Druid: ``TaskInputSource``).

        Called before it is read or split; most sources need nothing.
        """
        return self

    # ---- sources without a format

    def frames(self, schema: InputRowSchema, problems: ParseProblems) -> Iterator[tuple[pl.DataFrame, int]]:
        """The rows, where ``needs_format`` is False: as :meth:`InputFormat.batches`, and the bytes read so far."""
        raise NotImplementedError(f"{type(self).__name__} needs an input format")

    @property
    def time_column(self) -> str | None:
        """The column with each row's time in milliseconds, where the source knows better than the timestampSpec."""
        return None

    @property
    def segments_read(self) -> int | None:
        """How many segments the rows come from; None for sources of something else."""
        return None

    def segments_of(self, data_source: str) -> Sequence[DataSegment]:
        """Those segments of the data source that the rows come from, once they have been read or split."""
        return ()


@frozen(kw_only=True)
class InputRowSchema:
    """Which columns the reader wants from a format, and what they will be used as (Druid: ``InputRowSchema``).

    ``columns``: name → ``"STRING"``, ``"LONG"``, ``"FLOAT"``, ``"DOUBLE"``; ``"ANY"`` where a number should stay one if
    all are, and may come as its text if not; ``"VALUE"`` where each value's type counts and documents are wanted, too.
    ``discover``: every other column but the ``exclusions`` is wanted too; as strings, of fields that hold
    no objects, or with ``discover_values`` as values, whatever they hold.
    """

    columns: Mapping[str, str] = field(factory=dict)
    discover: bool = False
    exclusions: frozenset[str] = frozenset()
    discover_values: bool = False

    def wants(self, name: str) -> bool:
        """Whether a column of this name in the input is needed."""
        return name in self.columns or (self.discover and name not in self.exclusions)

    def target(self, name: str) -> str:
        """What a column that is wanted is wanted as."""
        return self.columns.get(name) or ("VALUE" if self.discover_values else "STRING")


class InputToolbox(Protocol):
    """What an input source may use where it is read: a part of a task's toolbox."""

    @property
    def config(self) -> TaskConfig:
        """``druid.indexer.task.*``."""
        ...

    @property
    def action_client(self) -> TaskActionClient:
        """Asks the Overlord."""
        ...

    @property
    def data_segment_puller(self) -> DataSegmentPuller:
        """Reads deep storage."""
        ...

    @property
    def work_dir(self) -> Path:
        """A folder for temporary files, which go with the task."""
        ...


class ParseProblems(Protocol):
    """Takes note of records that cannot be parsed; may end the read (``maxParseExceptions``) by raising."""

    def unparseable(self, record: str | None, message: str) -> None:
        """A record that is left out. ``record`` is its text, if there is one to show."""
        ...

    def unparseable_many(self, count: int, samples: Sequence[tuple[str | None, str]]) -> None:
        """``count`` records that are left out; ``samples`` are (text, message) of some, as many as are wanted."""
        ...

    @property
    def wanted_samples(self) -> int:
        """How many samples are worth making; 0 when nobody looks at them."""
        ...


@extension_point(hook="input_formats", name="input format")
class InputFormat(ABC):
    """How bytes become columns (Druid: ``InputFormat``). Subclasses are frozen attrs classes: fields are the JSON."""

    @property
    def is_splittable(self) -> bool:
        """Whether an entity may be cut at a line and read in parts."""
        return False

    @abstractmethod
    def batches(self, stream: BinaryIO, schema: InputRowSchema, problems: ParseProblems) -> Iterator[pl.DataFrame]:
        """Read the stream to its end, in batches of bounded memory (around 16 to 32 MiB of input each).

        A batch is a polars DataFrame with one row per record. Its columns have the names of the input and are Strings,
        integers, floats, booleans or lists of these; or Binary, where values are objects or of several types: each is
        the text of a JSON value. Columns may differ between batches; one that is not there is all null. Columns that
        ``schema`` does not want may be left out.
        """

    def sampled(self, stream: BinaryIO, schema: InputRowSchema) -> Iterator[SampledRecords]:
        """Read the stream in small batches, to look at a few records: of each, what it holds or what is wrong.

        Formats that know better which records are wrong, or what they hold beside their columns, say so here.
        """
        yield from self.sampled_from(lambda problems: self.batches(stream, schema, problems))

    @staticmethod
    def sampled_from(read: Callable[[ParseProblems], Iterator[pl.DataFrame]]) -> Iterator[SampledRecords]:
        """What :meth:`sampled` gives of the batches that ``read`` gives, which should be small."""
        noted = _NotedProblems()
        for frame in read(noted):
            yield SampledRecords(frame, [*noted.taken(), *map(SampledRecord, _shown(frame))])
        if rest := noted.taken():
            import polars as pl

            yield SampledRecords(pl.DataFrame(), rest)


@frozen
class SampledRecord:
    """A record of the input: its ``values``, or the ``error`` for which there is no row; its ``line``, from 1."""

    values: Mapping[str, Any] | None
    error: str | None = None
    line: int | None = None


@frozen
class SampledRecords:
    """Records in the order of the input; ``frame`` has a row for each that could be read, and a column of each name."""

    frame: pl.DataFrame
    records: Sequence[SampledRecord]


def _shown(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows, with documents as such."""
    import msgspec

    rows = frame.rows(named=True)
    for row in rows:
        row.update({n: msgspec.json.decode(value) for n, value in row.items() if isinstance(value, bytes)})
    return rows


class _NotedProblems:
    """Keeps what is reported as records."""

    wanted_samples = 10_000

    def __init__(self) -> None:
        self._records: list[SampledRecord] = []

    def unparseable(self, record: str | None, message: str) -> None:
        self.unparseable_many(1, [(record, message)])

    def unparseable_many(self, count: int, samples: Sequence[tuple[str | None, str]]) -> None:
        self._records += [SampledRecord(None, message) for _, message in samples]

    def taken(self) -> list[SampledRecord]:
        taken, self._records = self._records, []
        return taken
