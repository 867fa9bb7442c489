"""Segments by name and by description."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from attrs import evolve, field, frozen

from nemeton.common.errors import invalid_input
from nemeton.json import wire
from nemeton.model.shard_specs import NumberedShardSpec, ShardSpec
from nemeton.time import Interval, format_datetime, parse_datetime


@frozen(order=True)
class SegmentId:
    """The name of a segment: data source, interval, version, number of the partition."""

    data_source: str
    interval: Interval
    version: str
    partition_num: int = 0

    def __str__(self) -> str:
        start, end = format_datetime(self.interval.start), format_datetime(self.interval.end)
        text = f"{self.data_source}_{start}_{end}_{self.version}"
        return f"{text}_{self.partition_num}" if self.partition_num else text

    @classmethod
    def try_parse(cls, data_source: str, text: str) -> SegmentId | None:
        """The id that the text spells for that data source; None when it spells none."""
        head = data_source + "_"
        if not text.startswith(head):
            return None
        parts = text[len(head) :].split("_")
        if len(parts) < 3:
            return None
        try:
            interval = Interval(parse_datetime(parts[0]), parse_datetime(parts[1]))
        except ValueError:
            return None
        except Exception:  # noqa: BLE001 - what is no interval is no segment id
            return None
        last = parts[-1]
        if len(parts) > 3 and last.isdecimal():
            return cls(data_source, interval, "_".join(parts[2:-1]), int(last))
        return cls(data_source, interval, "_".join(parts[2:]))

    @classmethod
    def parse_all(cls, text: str) -> list[SegmentId]:
        """All ids that the text may spell; data sources and versions may hold underscores."""
        cuts = [i for i, char in enumerate(text) if char == "_"]
        found = (cls.try_parse(text[:cut], text) for cut in cuts)
        return [segment_id for segment_id in found if segment_id is not None]

    @classmethod
    def parse(cls, text: str, data_source: str | None = None) -> SegmentId:
        """The id that the text spells. Raises invalid_input when it spells none, or more than one."""
        if data_source is not None:
            found = cls.try_parse(data_source, text)
            candidates = [found] if found is not None else []
        else:
            candidates = cls.parse_all(text)
        if len(candidates) != 1:
            raise invalid_input(f"Cannot parse segment id [{text}]")
        return candidates[0]

    @classmethod
    def from_json(cls, value: Any, json: Any = None) -> SegmentId:
        """From its text."""
        return cls.parse(str(value))

    def to_json(self, json: Any = None) -> str:
        """Its text."""
        return str(self)

    def to_descriptor(self) -> SegmentDescriptor:
        """The same without the data source, as queries name segments."""
        return SegmentDescriptor(self.interval, self.version, self.partition_num)


@frozen(order=True)
class SegmentDescriptor:
    """A segment, or the part of it in the interval, within a data source that is known from elsewhere."""

    interval: Interval = field(metadata=wire("itvl"))
    version: str = field(metadata=wire("ver"))
    partition_number: int = field(metadata=wire("part"))

    def to_segment_id(self, data_source: str) -> SegmentId:
        """With the data source."""
        return SegmentId(data_source, self.interval, self.version, self.partition_number)


def _tuple(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


def _names(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    return tuple(name for name in value.split(",") if name) if isinstance(value, str) else tuple(value)


@frozen(eq=False)
class DataSegment:
    """A published segment: where it is, what columns it has, how big it is. Equal when the ids are.

    ``load_spec`` says where deep storage holds it (None in lists that leave it out); ``size`` is in bytes, unzipped;
    ``last_compaction_state`` is kept as JSON.
    """

    data_source: str
    interval: Interval
    version: str
    load_spec: dict[str, Any] | None = None
    dimensions: tuple[str, ...] = field(default=(), converter=_tuple)
    metrics: tuple[str, ...] = field(default=(), converter=_tuple)
    shard_spec: ShardSpec = field(factory=lambda: NumberedShardSpec(0, 1))
    binary_version: int = 9
    size: int = 0
    last_compaction_state: dict[str, Any] | None = None

    @functools.cached_property
    def id(self) -> SegmentId:
        """Its name."""
        return SegmentId(self.data_source, self.interval, self.version, self.shard_spec.partition_num)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataSegment) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __lt__(self, other: DataSegment) -> bool:
        return self.id < other.id

    def __str__(self) -> str:
        return str(self.id)

    @property
    def partition_num(self) -> int:
        """The number of its partition."""
        return self.shard_spec.partition_num

    @property
    def minor_version(self) -> int:
        """Counts overwrites under a segment lock; 0 otherwise."""
        return self.shard_spec.minor_version

    @property
    def is_tombstone(self) -> bool:
        """Whether it only hides what it overshadows."""
        return self.shard_spec.is_tombstone

    def to_descriptor(self) -> SegmentDescriptor:
        """Without the data source."""
        return self.id.to_descriptor()

    def with_(self, **changes: Any) -> DataSegment:
        """A copy with some fields changed."""
        return evolve(self, **changes)

    @classmethod
    def from_json(cls, value: Any, json: Any) -> DataSegment:
        """From Druid's form. Raises invalid_input that names the missing field."""
        if isinstance(value, DataSegment):
            return value
        if not isinstance(value, dict):
            raise invalid_input(f"Expected a segment, not [{value!r}]")
        for required in ("dataSource", "interval", "version"):
            if value.get(required) is None:
                raise invalid_input(f"{required}: required in a segment")
        shard_spec = value.get("shardSpec")
        return cls(
            data_source=value["dataSource"],
            interval=Interval.from_json(value["interval"]),
            version=value["version"],
            load_spec=value.get("loadSpec"),
            dimensions=_names(value.get("dimensions")),
            metrics=_names(value.get("metrics")),
            shard_spec=NumberedShardSpec(0, 1) if shard_spec is None else json.structure(shard_spec, ShardSpec),
            binary_version=int(value.get("binaryVersion") or 9),
            size=int(value.get("size") or 0),
            last_compaction_state=value.get("lastCompactionState"),
        )

    def to_json(self, json: Any) -> dict[str, Any]:
        """Druid's form."""
        body: dict[str, Any] = {
            "dataSource": self.data_source,
            "interval": str(self.interval),
            "version": self.version,
            "loadSpec": self.load_spec,
            "dimensions": ",".join(self.dimensions),
            "metrics": ",".join(self.metrics),
            "shardSpec": json.unstructure(self.shard_spec),
        }
        if self.last_compaction_state is not None:
            body["lastCompactionState"] = self.last_compaction_state
        return body | {"binaryVersion": self.binary_version, "size": self.size, "identifier": str(self.id)}


def total_size(segments: Iterable[DataSegment]) -> int:
    """Their bytes together."""
    return sum(segment.size for segment in segments)
