"""What a segment says about itself: `index.drd`, `metadata.drd` and the descriptor in front of each column."""

from __future__ import annotations

import json
import logging
from typing import Any

from attrs import asdict, field, frozen

from nemeton.segment.bytereader import ByteReader
from nemeton.segment.errors import corrupt
from nemeton.segment.generic_indexed import GenericIndexed, encode_list

log = logging.getLogger(__name__)

ROARING, CONCISE = {"type": "roaring"}, {"type": "concise"}
BITMAPS = ("roaring", "concise")
ORDERS = {"LITTLE_ENDIAN": "<", "BIG_ENDIAN": ">"}
_WITHOUT_ORDER = ("complex", "null")
_JSON_NAMES = {
    "container": "container",
    "aggregators": "aggregators",
    "timestamp_spec": "timestampSpec",
    "query_granularity": "queryGranularity",
    "rollup": "rollup",
    "ordering": "ordering",
    "projections": "projections",
}


@frozen
class SegmentIndexMetadata:
    """`metadata.drd`, each value as the JSON that it is; None where the segment says nothing.

    `aggregators` are in combining form (a count is a `longSum` over its own name). `ordering` None means by `__time`.
    """

    aggregators: list[dict[str, Any]] | None = None
    timestamp_spec: dict[str, Any] | None = None
    query_granularity: Any = None
    rollup: bool | None = None
    ordering: list[dict[str, Any]] | None = None
    projections: list[dict[str, Any]] | None = None
    container: dict[str, Any] = field(factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> SegmentIndexMetadata | None:
        """Parse the internal file; None, with a warning, when it cannot be parsed: the rows do not depend on it."""
        try:
            value = json.loads(data)
            found = cls(**{k: value[j] for k, j in _JSON_NAMES.items() if value.get(j) is not None})
            found._check()
        except (ValueError, AttributeError, TypeError, RecursionError) as e:
            log.warning("metadata.drd cannot be parsed and is ignored: %s", e)
            return None
        return found

    def _check(self) -> None:
        """Raise ValueError unless lists are lists of objects."""
        for name in ("aggregators", "ordering", "projections"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
                raise ValueError(f"[{name}] is [{str(value)[:100]}]")

    def encode(self) -> bytes:
        """Encode the internal file."""
        value = {_JSON_NAMES[k]: v for k, v in asdict(self, recurse=False).items()}
        for absent in ("ordering", "projections"):
            if value[absent] is None:
                del value[absent]
        return json.dumps(value, separators=(",", ":")).encode()

    @property
    def is_time_ordered(self) -> bool:
        """Whether rows ascend by `__time`."""
        return not self.ordering or self.ordering[0].get("columnName") == "__time"


@frozen
class IndexFile:
    """`index.drd`: the columns in their order, the interval, and the kind of bitmaps."""

    columns: list[str]
    dimensions: list[str]
    interval_start: int
    interval_end: int
    is_concise: bool = False
    null_columns: frozenset[str] = frozenset()

    @property
    def metrics(self) -> list[str]:
        """The columns that are no dimensions."""
        dimensions = set(self.dimensions)
        return [c for c in self.columns if c not in dimensions]

    @classmethod
    def parse(cls, data: memoryview) -> IndexFile:
        """Parse the internal file, including the shorter forms of old segments."""
        reader = ByteReader(data, "index.drd")
        columns, dimensions = _names(reader), _names(reader)
        start, end = reader.i64(), reader.i64()
        if end < start:
            raise corrupt("index.drd", f"the interval ends ({end}) before it starts ({start})")
        if not reader.remaining:
            return cls(_present(columns), _present(dimensions), start, end, is_concise=True)
        is_concise = _bitmap_type(reader.str32("bitmap type")) == "concise"
        if not reader.remaining:
            return cls(_present(columns), _present(dimensions), start, end, is_concise)
        all_columns, all_dimensions = _names(reader), _names(reader)
        return cls(
            _merge(all_columns, _present(columns)),
            _merge(all_dimensions, _present(dimensions)),
            start,
            end,
            is_concise,
            frozenset(_present(all_columns)),
        )

    def encode(self) -> list[bytes | memoryview]:
        """Encode the internal file."""

        def lists(names: list[str]) -> tuple[list[bytes | memoryview], list[bytes | memoryview]]:
            present = [n.encode() for n in names if n not in self.null_columns]
            whole = [n.encode() if n in self.null_columns else None for n in names]
            return encode_list(present), encode_list(whole)

        some_columns, all_columns = lists(self.columns)
        some_dimensions, all_dimensions = lists(self.dimensions)
        interval = b"".join(x.to_bytes(8, "big", signed=True) for x in (self.interval_start, self.interval_end))
        bitmap = json.dumps(CONCISE if self.is_concise else ROARING, separators=(",", ":")).encode()
        fixed: list[bytes | memoryview] = [interval, len(bitmap).to_bytes(4, "big"), bitmap]
        return [*some_columns, *some_dimensions, *fixed, *all_columns, *all_dimensions]


def _names(reader: ByteReader) -> list[str | None]:
    names = GenericIndexed.read(reader)
    try:
        return [None if (v := names.get(i)) is None else str(v, "utf-8") for i in range(len(names))]
    except UnicodeDecodeError as e:
        raise corrupt("index.drd", "a column name is not UTF-8") from e


def _present(names: list[str | None]) -> list[str]:
    return [n for n in names if n is not None]


def _merge(whole: list[str | None], present: list[str]) -> list[str]:
    if sum(n is None for n in whole) > len(present):
        raise corrupt("index.drd", "more columns are announced than named")
    rest = iter(present)
    return [next(rest) if n is None else n for n in whole]


def _bitmap_type(text: str) -> str:
    try:
        kind = json.loads(text)["type"]
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise corrupt("index.drd", f"bitmap type is [{text[:100]}]") from e
    if kind not in BITMAPS:
        raise corrupt("index.drd", f"bitmap type is [{text[:100]}]")
    return str(kind)


@frozen
class ColumnDescriptor:
    """The JSON in front of a column: its type, and the one part that it consists of."""

    value_type: str
    has_multiple_values: bool
    part: dict[str, Any]

    @classmethod
    def read(cls, reader: ByteReader) -> ColumnDescriptor:
        """Read the descriptor; the reader stands at the part after this."""
        text = reader.str32("descriptor")
        try:
            value = json.loads(text)
            parts = value["parts"]
            descriptor = cls(value["valueType"].upper(), bool(value.get("hasMultipleValues")), parts[0])
            kind = descriptor.kind
            serde = descriptor.part.get("bitmapSerdeFactory") or {"type": "concise"}
            order = descriptor.part.get("byteOrder", "LITTLE_ENDIAN" if kind in _WITHOUT_ORDER else None)
            told = order in ORDERS and serde["type"] in BITMAPS and isinstance(kind, str)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as e:
            raise corrupt(reader.part, f"the descriptor is [{text[:200]}]") from e
        if len(parts) != 1:
            raise corrupt(reader.part, f"the descriptor has {len(parts)} parts")
        if not told:
            raise corrupt(reader.part, f"the descriptor is [{text[:200]}]")
        return descriptor

    @property
    def kind(self) -> str:
        """The type of the part: `stringDictionary`, `longV2`, `complex`, …"""
        return self.part["type"]  # type: ignore[no-any-return]

    @property
    def order(self) -> str:
        """The payload's byte order as numpy writes it."""
        return ORDERS[self.part.get("byteOrder", "LITTLE_ENDIAN")]

    @property
    def is_concise(self) -> bool:
        """Whether bitmaps are Concise, which is also what a descriptor means that does not say."""
        serde = self.part.get("bitmapSerdeFactory") or {}
        return bool(serde.get("type", "concise") == "concise")


def encode_descriptor(value_type: str, part: dict[str, Any], has_multiple_values: bool = False) -> bytes:
    """Encode a descriptor with its length."""
    value = {"valueType": value_type, "hasMultipleValues": has_multiple_values, "parts": [part]}
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return len(text).to_bytes(4, "big") + text
