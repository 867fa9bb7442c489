"""What an answer says about itself in the header ``X-Druid-Response-Context``."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from nemeton.common.errors import QueryException
from nemeton.dataserver.query_run import QueryRun
from nemeton.json import Json

_TRUNCATED_CLASS = "org.apache.druid.query.TruncatedResponseContextException"
_TRUNCATED = '"truncated":true,'


@frozen
class ResponseContextConfig:
    """How long the header may be, and what becomes of a longer one: data servers fail, Brokers shorten it.

    Druid's class of the same name. A Broker that does not know which segments a data server misses would give a wrong
    answer; a client is only told less.
    """

    fail_when_too_long: bool
    max_length: int = 7 * 1024

    def header(self, run: QueryRun, json: Json, host: str) -> str:
        """The text of the header. Raises Druid's error for one that is too long, where that is a failure."""
        context = response_context(run, json)
        text = json.dumps(context).decode()
        if len(text) <= self.max_length:
            return text
        if self.fail_when_too_long:
            raise QueryException(
                QueryException.TRUNCATED,
                f"Serialized response context exceeds the max size[{self.max_length}]",
                error_class=_TRUNCATED_CLASS,
                host=host,
            )
        return json.dumps(shortened(context, self.max_length, json)).decode()


def response_context(run: QueryRun, json: Json) -> dict[str, Any]:
    """The fields that have something to say."""
    context: dict[str, Any] = {}
    if run.uncovered:
        context["uncoveredIntervalsOverflowed"] = run.uncovered_overflowed
        context["uncoveredIntervals"] = json.unstructure(run.uncovered)
    if run.missing:
        context["missingSegments"] = json.unstructure(run.missing)
    return context


def shortened(context: dict[str, Any], most: int, json: Json) -> dict[str, Any]:
    """The context with ``truncated``, and of its longest lists only so many items that the text fits."""
    kept = dict(context)

    def length() -> int:
        return len(json.dumps(kept)) + len(_TRUNCATED)

    lists = [name for name, value in context.items() if isinstance(value, list)]
    for name in sorted(lists, key=lambda name: len(json.dumps(context[name])), reverse=True):
        while length() > most and kept[name]:
            kept[name] = kept[name][: len(kept[name]) // 2]
        if not kept[name]:  # an empty list would say that there is nothing
            del kept[name]
    return {"truncated": True, **kept}
