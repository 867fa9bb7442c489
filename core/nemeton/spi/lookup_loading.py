"""Which lookups a node loads: all of its tier, none, or those that its task names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import frozen

from nemeton.common.errors import invalid_input

LOADING_MODE = "lookupLoadingMode"
LOOKUPS_TO_LOAD = "lookupsToLoad"


class LoadingMode(Enum):
    """The values of ``lookupLoadingMode`` in a task's context."""

    ALL = "ALL"
    NONE = "NONE"
    ONLY_REQUIRED = "ONLY_REQUIRED"


@frozen
class LookupLoadingSpec:
    """Druid's class of the same name; ``lookups_to_load`` counts with ONLY_REQUIRED."""

    mode: LoadingMode = LoadingMode.ALL
    lookups_to_load: frozenset[str] = frozenset()

    def allows(self, name: str) -> bool:
        """Whether a lookup of that name is loaded."""
        return self.mode is LoadingMode.ALL or (self.mode is LoadingMode.ONLY_REQUIRED and name in self.lookups_to_load)

    @classmethod
    def from_context(cls, context: Mapping[str, Any], default: LookupLoadingSpec) -> LookupLoadingSpec:
        """As a task's context says, else the default. Raises a `DruidException` for what it cannot mean."""
        given = context.get(LOADING_MODE)
        if given is None:
            return default
        try:
            mode = LoadingMode(str(given))
        except ValueError:
            allowed = ", ".join(mode.value for mode in LoadingMode)
            raise invalid_input(f"Invalid value of {LOADING_MODE}[{given}]. Allowed values are [{allowed}]") from None
        if mode is not LoadingMode.ONLY_REQUIRED:
            return cls(mode)
        names = context.get(LOOKUPS_TO_LOAD)
        if names is not None and not isinstance(names, list | tuple | set | frozenset):
            raise invalid_input(
                f"Invalid value of {LOOKUPS_TO_LOAD}[{names}]. Please provide a comma-separated list of "
                'lookup names. For example: ["lookupName1", "lookupName2"]'
            )
        if not names:
            shown = "null" if names is None else "[]"
            raise invalid_input(f"Set of lookups to load cannot be {shown} for mode[ONLY_REQUIRED].")
        return cls(mode, frozenset(map(str, names)))


LOAD_ALL = LookupLoadingSpec()
LOAD_NONE = LookupLoadingSpec(LoadingMode.NONE)
