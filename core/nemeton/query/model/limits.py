"""The limit and order of a groupBy's result rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
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
        """Read either form; a direction may be shortened to any prefix."""
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, dict) or not isinstance(value.get("dimension"), str):
            raise invalid_input(
                f"limitSpec.columns: expected a column name or an object with [dimension], got [{value}]"
            )
        direction = str(value.get("direction") or "ascending").lower()
        if not ("ascending".startswith(direction) or "descending".startswith(direction)):
            raise invalid_input(f"Unknown direction[{direction}]")
        order = comparator_name(value.get("dimensionOrder"))
        return cls(value["dimension"], not "ascending".startswith(direction), order)

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
        """Read it; null and `noop` are no limit. A Java Broker names the latter after its class."""
        if value is None or (isinstance(value, dict) and value.get("type") in ("noop", "NoopLimitSpec")):
            return cls()
        if not isinstance(value, dict) or value.get("type") != "default":
            raise invalid_input("limitSpec: expected an object of type [default] or [noop]")
        columns = tuple(OrderByColumnSpec.from_json(item, json) for item in value.get("columns") or ())
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
    if isinstance(found, bool) or not isinstance(found, int):
        raise invalid_input(f"limitSpec.{key}: expected a whole number, got [{found}]")
    return found
