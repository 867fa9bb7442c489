"""The properties of a process, each with the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

from nemeton.config.secrets import HIDDEN, is_secret


@frozen
class Origin:
    """Where a property was set: a file and line, ``-D``, or the environment."""

    place: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.place}:{self.line}" if self.line is not None else self.place


class Properties(Mapping[str, str]):
    """An immutable map of property names to values; ``repr`` and ``str`` never show secrets."""

    def __init__(self, values: Mapping[str, str], origins: Mapping[str, Origin] | None = None) -> None:
        self._values = dict(values)
        self._origins = dict(origins or {})

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Properties({self.shown()!r})"

    def origin(self, key: str) -> Origin:
        """Where the property was set; "default" for one that nobody set."""
        return self._origins.get(key, Origin("default"))

    def with_values(self, values: Mapping[str, str], origin: Origin) -> Properties:
        """A copy in which `values` win."""
        return Properties({**self, **values}, {**self._origins, **dict.fromkeys(values, origin)})

    def shown(self) -> dict[str, str]:
        """The properties as they may be shown: sorted, with secrets hidden."""
        return {key: HIDDEN if is_secret(key) else self._values[key] for key in sorted(self._values)}
