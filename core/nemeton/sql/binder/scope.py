"""Name resolution: which column of the FROM clause an identifier means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from nemeton.sql.errors import invalid_sql
from nemeton.sql.logical import Field
from nemeton.sql.rex import InputRef

if TYPE_CHECKING:
    from nemeton.sql.errors import Where


@frozen
class Namespace:
    """One item of FROM: its alias (or table name), its columns and the position of the first in the whole relation."""

    alias: str | None
    fields: tuple[Field, ...]
    offset: int = 0


@frozen
class Scope:
    """All items of one FROM clause."""

    namespaces: tuple[Namespace, ...] = ()

    def resolve(self, path: Sequence[str], where: Where) -> InputRef:
        """The column that ``name`` or ``alias.name`` means; INVALID_INPUT when none or several do."""
        name = path[-1]
        spaces = self._spaces(path[-2], where) if len(path) > 1 else self.namespaces
        found = [
            InputRef(field.type, space.offset + index)
            for space in spaces
            for index, field in enumerate(space.fields)
            if field.name == name
        ]
        if len(found) == 1:
            return found[0]
        if found and len(path) == 1 and len(self.namespaces) > 1:
            raise invalid_sql(f"Column '{name}' is ambiguous", where)
        if found:
            return found[0]
        place = f"table '{path[-2]}'" if len(path) > 1 else "any table"
        raise invalid_sql(f"Column '{name}' not found in {place}{self._hint(name, spaces)}", where)

    def has(self, name: str) -> bool:
        """Whether any column has the name."""
        return any(field.name == name for space in self.namespaces for field in space.fields)

    def _spaces(self, alias: str, where: Where) -> Sequence[Namespace]:
        spaces = [space for space in self.namespaces if space.alias == alias]
        if not spaces:
            raise invalid_sql(f"Table '{alias}' not found", where)
        return spaces

    def _hint(self, name: str, spaces: Sequence[Namespace]) -> str:
        """Calcite's hint: a name that differs only in case."""
        for space in spaces:
            for field in space.fields:
                if field.name.lower() == name.lower():
                    return f"; did you mean '{field.name}'?"
        return ""

    def star(self, alias: str | None, where: Where) -> list[tuple[Field, InputRef]]:
        """The columns of ``*`` or ``alias.*``."""
        spaces = self.namespaces if alias is None else self._spaces(alias, where)
        return [
            (field, InputRef(field.type, space.offset + index))
            for space in spaces
            for index, field in enumerate(space.fields)
        ]
