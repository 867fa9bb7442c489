"""The limit and order of a groupBy's result rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.json.errors import JsonError, expected, within
from nemeton.json.scalars import read_int
from nemeton.query.model.comparators import comparator_name

if TYPE_CHECKING:
    from nemeton.json import Json


@frozen
class OrderByColumnSpec:
    """One column of the order. JSON: the name, or dimension, direction and dimensionOrder."""

    dimension: str
    descending: bool = False
    dimension_order: str = "lexicographic"

    @classmethod
    def from_json(cls, value: Any, json: Json) -> OrderByColumnSpec:
        """Read either form; a direction may be shortened to any prefix, and one that is none counts as ascending."""
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, dict) or not isinstance(value.get("dimension"), str):
            raise invalid_input(
                f"limitSpec.columns: expected a column name or an object with [dimension], got [{value}]"
            )
        direction = str(value.get("direction") or "ascending").lower()
        is_descending = "descending".startswith(direction) and not "ascending".startswith(direction)  # else ascending
        return cls(value["dimension"], is_descending, comparator_name(value.get("dimensionOrder")))

    def to_json(self, json: Json) -> Any:
        """Write it as Druid does."""
        direction = "descending" if self.descending else "ascending"
        return {"dimension": self.dimension, "direction": direction, "dimensionOrder": {"type": self.dimension_order}}

    def __str__(self) -> str:
        direction = "descending" if self.descending else "ascending"
        return (
            f"OrderByColumnSpec{{dimension='{self.dimension}', direction='{direction}', "
            f"dimensionComparator='{self.dimension_order}'}}"
        )


@frozen
class DefaultLimitSpec:
    """Order, offset and limit. Type `default`; `noop` is an empty one."""

    columns: tuple[OrderByColumnSpec, ...] = ()
    offset: int = 0
    limit: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.limit is not None and self.limit <= 0:
            raise invalid_input(f"limit[{self.limit}] must be > 0")
        if self.offset < 0:
            raise invalid_input(f"offset[{self.offset}] must be >= 0")

    def verify(self, names: set[str]) -> None:
        """Refuse columns that the result does not have."""
        for column in self.columns:
            if column.dimension not in names and column.dimension != "__time":
                raise invalid_input(f"Unknown column in order clause[{column}]")

    @classmethod
    def from_json(cls, value: Any, json: Json) -> DefaultLimitSpec:
        """Read it; null, `noop`, and as in Druid any type that is not known are no limit."""
        if value is None or (isinstance(value, dict) and value.get("type") != "default"):
            return cls()
        if not isinstance(value, dict):
            raise invalid_input("limitSpec: expected an object of type [default] or [noop]")
        listed = value.get("columns")
        if listed is not None and not isinstance(listed, list):
            raise within("columns", expected("an array", listed))
        columns = tuple(OrderByColumnSpec.from_json(item, json) for item in listed or ())
        return cls(columns, _whole(value, "offset", 0) or 0, _whole(value, "limit", None))

    def to_json(self, json: Json) -> Any:
        """Write it as Druid does."""
        if self == DefaultLimitSpec():
            return {"type": "noop"}
        body: dict[str, Any] = {"type": "default", "columns": [item.to_json(json) for item in self.columns]}
        if self.offset:
            body["offset"] = self.offset
        if self.limit is not None:
            body["limit"] = self.limit
        return body


def _whole(value: dict[str, Any], key: str, default: int | None) -> int | None:
    found = value.get(key)
    if found is None:
        return default
    try:
        return read_int(found)
    except JsonError as e:
        raise within(key, e) from None
