"""Search query specs: what the search filter and extraction function look for in a text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input

if TYPE_CHECKING:
    from nemeton.json import Json

_KINDS = ("all", "contains", "insensitive_contains", "fragment", "regex")


@frozen
class SearchQuerySpec:
    """One of the kinds `all`, `contains`, `insensitive_contains`, `fragment`, `regex`."""

    kind: str
    values: tuple[str, ...] = ()
    case_sensitive: bool = False

    @classmethod
    def from_json(cls, value: Any, json: Json) -> SearchQuerySpec:
        """Read any kind."""
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in _KINDS:
            raise invalid_input(f"Unknown search query spec [{kind}]; known types are [{', '.join(_KINDS)}]")
        single = value.get("pattern") if kind == "regex" else value.get("value")
        values = tuple(value.get("values") or ()) if kind == "fragment" else (single,) if single is not None else ()
        if kind != "all" and not values:
            raise invalid_input(f"Search query spec [{kind}] has nothing to look for")
        return cls(kind, values, bool(value.get("caseSensitive", False)) and kind != "insensitive_contains")

    def to_json(self, json: Json) -> Any:
        """Write it as Druid does."""
        body: dict[str, Any] = {"type": self.kind}
        if self.kind == "regex":
            body["pattern"] = self.values[0]
        elif self.kind == "fragment":
            body |= {"values": list(self.values), "caseSensitive": self.case_sensitive}
        elif self.kind == "contains":
            body |= {"value": self.values[0], "caseSensitive": self.case_sensitive}
        elif self.kind == "insensitive_contains":
            body["value"] = self.values[0]
        return body

    def accept(self, value: str | None) -> bool:
        """Whether the text has what is looked for; null never has."""
        if self.kind == "all":
            return True
        if value is None:
            return False
        if self.kind == "regex":
            return re.search(self.values[0], value) is not None
        text = value if self.case_sensitive else value.lower()
        return all((part if self.case_sensitive else part.lower()) in text for part in self.values)
