"""The logical plan: a validated query as a tree of relational operators; nothing in it knows of native queries."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from nemeton.sql.catalog import Table
from nemeton.sql.rex import AggCall, Rex
from nemeton.sql.types import SqlType


@frozen
class Field:
    """One column of a relation; names may repeat, positions count."""

    name: str
    type: SqlType


@frozen
class Rel:
    """Base of relational operators; `fields` are the columns that come out."""

    fields: tuple[Field, ...]


@frozen
class Scan(Rel):
    """All rows of a table of the catalog."""

    table: Table


@frozen
class Values(Rel):
    """Rows of constants; `SELECT` without FROM reads one row of no columns."""

    rows: tuple[tuple[Any, ...], ...]


@frozen
class Filter(Rel):
    """The rows for which the condition is true."""

    input: Rel
    condition: Rex


@frozen
class Project(Rel):
    """One expression over the input per output column."""

    input: Rel
    expressions: tuple[Rex, ...]


@frozen
class Unnest(Rel):
    """The rows of the input, each as often as an array over it has elements; these are the last field."""

    input: Rel
    array: Rex


@frozen
class Aggregate(Rel):
    """Group by expressions over the input. Output: the groups in order, then the aggregates.

    `sets` are grouping sets as positions in `groups`; a plain GROUP BY has one set with all of them.
    """

    input: Rel
    groups: tuple[Rex, ...]
    aggregates: tuple[AggCall, ...]
    sets: tuple[tuple[int, ...], ...]

    @property
    def is_plain(self) -> bool:
        """One grouping set that holds all groups."""
        return self.sets == (tuple(range(len(self.groups))),)


@frozen
class SortKey:
    """Order by an output column. NULLs are least, unless `nulls_first` says where they go."""

    index: int
    descending: bool = False
    nulls_first: bool | None = None


@frozen
class Sort(Rel):
    """Order, then skip `offset` rows, then keep at most `limit`."""

    input: Rel
    keys: tuple[SortKey, ...]
    offset: int = 0
    limit: int | None = None


@frozen
class Union(Rel):
    """UNION ALL of inputs with equally many columns."""

    inputs: tuple[Rel, ...]


@frozen
class Statement:
    """A validated statement. `explain` asks for the plan instead of the rows; `resources` are the data sources read."""

    plan: Rel
    explain: bool = False
    resources: tuple[str, ...] = field(default=())
