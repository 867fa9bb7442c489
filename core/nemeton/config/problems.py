"""Faults of a configuration, gathered so that all are seen at once."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from nemeton.config.properties import Origin


@frozen
class Problem:
    """One fault: the property, where it was set, and what is wrong and would be right."""

    property: str | None
    origin: Origin
    message: str

    def __str__(self) -> str:
        named = f"property [{self.property}]: " if self.property else ""
        return f"{self.origin}: {named}{self.message}"


class ConfigurationError(ValueError):
    """The configuration cannot be used; `problems` has every fault that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        head = "One property is" if count == 1 else f"{count} things are"
        super().__init__(
            f"{head} wrong in the configuration:\n" + "\n".join(f"  {problem}" for problem in self.problems)
        )
