"""Search query specs: what the search filter and extraction function look for in a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from nemeton.common.errors import invalid_input
from nemeton.query.expressions.regexes import java_regex

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
        if kind == "regex":
            java_regex(str(single))
        return cls(kind, values, bool(value.get("caseSensitive", False)) and kind != "insensitive_contains")

    def to_json(self, json: Json) -> Any:
        """Write it as Druid does."""
        body: dict[str, Any] = {"type": self.kind}
        if self.kind == "regex":
            body["pattern"] = self.values[0]
        elif self.kind == "fragment":
            body |= {"values": list(self.values), "caseSensitive": self.case_sensitive}
        elif self.kind == "contains":
            body |= {"value": self._value, "caseSensitive": self.case_sensitive}
        elif self.kind == "insensitive_contains":
            body["value"] = self._value
        return body

    @property
    def _value(self) -> str | None:
        return self.values[0] if self.values else None

    def accept(self, value: str | None) -> bool:
        """Whether the text has what is looked for; null never has, and nothing is never found."""
        if self.kind == "all":
            return True
        if value is None or not self.values:
            return False
        if self.kind == "regex":
            return java_regex(self.values[0]).search(value) is not None
        text = value if self.case_sensitive else value.lower()
        return all((part if self.case_sensitive else part.lower()) in text for part in self.values)
