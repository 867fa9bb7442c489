"""Keys that two queries have in common only if their answers are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from nemeton.json import Json
from nemeton.model import SegmentDescriptor
from nemeton.query.model.base import BaseQuery
from nemeton.query.model.data_sources import LocalDataSource
from nemeton.query.model.segment_spec import ALL_TIME
from nemeton.spi.cache import NamedKey

RESULTS = "RES"
"""The namespace of whole answers, Druid's."""

IRRELEVANT = frozenset(
    {
        "queryId", "subQueryId", "sqlQueryId", "dartQueryId", "If-None-Match", "brokerService",
        "timeout", "perSegmentTimeout", "priority", "lane", "queryFailTime",
        "useCache", "populateCache", "useResultLevelCache", "populateResultLevelCache",
        "maxScatterGatherBytes", "maxQueuedBytes", "numRetriesOnMissingSegments", "returnPartialResults",
        "uncoveredIntervalsLimit", "enableParallelMerge", "parallelMergeParallelism",
        "parallelMergeInitialYieldRows", "parallelMergeSmallBatchRows", "vectorize", "vectorSize", "debug",
    }
)  # fmt: skip
"""Context parameters that say how a query runs, not what it answers. All others count, those of extensions too."""
_OF_RUNNING_SEGMENTS = IRRELEVANT | {"bySegment", "finalize", "fudgeTimestamp"}
_CHANGING = b"lookup"
"""What stands in a query whose answer changes with a lookup, whatever form it has (a type, a function, a source)."""


def segment_query_key(query: BaseQuery, json: Json) -> bytes | None:
    """What tells the query from others on one segment; None for one whose answer must not be kept."""
    return _digest(query.with_intervals(ALL_TIME), _OF_RUNNING_SEGMENTS, json)


def result_query_key(query: BaseQuery, json: Json) -> bytes | None:
    """What tells the query from all others; None for one whose answer must not be kept."""
    return _digest(query, IRRELEVANT, json)


def segment_key(segment_id: str, descriptor: SegmentDescriptor, query_key: bytes) -> NamedKey:
    """The key of a part of a segment: its interval, version and partition as Druid has them, then the query."""
    version = descriptor.version.encode()
    parts = (
        descriptor.interval.start.to_bytes(8, "big", signed=True),
        descriptor.interval.end.to_bytes(8, "big", signed=True),
        len(version).to_bytes(4, "big"),
        version,
        descriptor.partition_number.to_bytes(4, "big", signed=True),
        query_key,
    )
    return NamedKey(segment_id, b"".join(parts))


def entity_tag(segments: Iterable[tuple[str, SegmentDescriptor]], query_key: bytes) -> str:
    """The mark of the answer of a query over these segments, which changes with any of them."""
    import base64

    digest = hashlib.sha1(usedforsecurity=False)
    for segment_id, descriptor in segments:
        digest.update(f"{len(segment_id)}:{segment_id}{descriptor.interval};".encode())
    digest.update(query_key)
    return base64.b64encode(digest.digest()).decode()


def _digest(query: BaseQuery, irrelevant: frozenset[str], json: Json) -> bytes | None:
    if not is_repeatable(query):
        return None
    text = json.dumps(_without(json.unstructure(query), irrelevant))
    return None if _CHANGING in text.lower() else hashlib.sha256(text).digest()


def _without(value: Any, irrelevant: frozenset[str]) -> Any:
    """JSON without context parameters that do not matter, in whatever query of it; parameters have no order."""
    if isinstance(value, list | tuple):
        return [_without(each, irrelevant) for each in value]
    if not isinstance(value, Mapping):
        return value
    kept = {name: _without(each, irrelevant) for name, each in value.items()}
    context = kept.get("context")
    if "queryType" in kept and isinstance(context, dict):
        kept["context"] = {name: context[name] for name in sorted(context) if name not in irrelevant}
    return kept


def is_repeatable(part: Any) -> bool:
    """Whether no part of the query says of itself (``cacheable = False``) that it may answer differently next time."""
    if isinstance(part, LocalDataSource):
        return True
    if attrs.has(type(part)):
        if not getattr(type(part), "cacheable", True):
            return False
        return all(is_repeatable(getattr(part, each.name)) for each in attrs.fields(type(part)))
    if isinstance(part, Mapping):
        return all(is_repeatable(each) for each in part.values())
    return not isinstance(part, list | tuple) or all(is_repeatable(each) for each in part)
