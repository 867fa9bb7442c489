"""Finished answers by column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen


@frozen(eq=False)
class ResultColumns:
    """Some rows of a query's finished answer (in Druid, the tool chests' ``resultsAsArrays``).

    `columns` holds the JSON-able values of each of the `names`, `num_rows` of them.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Any]]
    num_rows: int
    value_types: Sequence[type | None] | None = None
    """For each column the one type of its values that are not null; None where it is not known."""
