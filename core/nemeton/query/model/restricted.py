"""The data source `restrict`: a table under a policy that somebody else's authorizer gave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn

from attrs import frozen

from nemeton.common.errors import illegal_state, invalid_input
from nemeton.plugins import extension_point, json_type, type_names
from nemeton.query.model.data_sources import TableDataSource
from nemeton.query.model.derived_sources import OverOne
from nemeton.spi.query import DimFilter, Query

if TYPE_CHECKING:
    from nemeton.model.columns import Segment
    from nemeton.time import Interval


@extension_point(hook="policies", name="policy")
class Policy(ABC):
    """What of a table may be read."""

    @abstractmethod
    def __str__(self) -> str:
        """As Druid's errors name it."""


@json_type("noRestriction")
@frozen
class NoRestrictionPolicy(Policy):
    """All of it."""

    def __str__(self) -> str:
        return "NO_RESTRICTION"


@json_type("row")
@frozen
class RowFilterPolicy(Policy):
    """The rows that pass."""

    row_filter: DimFilter

    def __str__(self) -> str:
        return f"RowFilterPolicy{{rowFilter={self.row_filter}}}"


@json_type("restrict")
@frozen(kw_only=True)
class RestrictedDataSource(OverOne):
    """A table under a policy. Policies come from authorizers, and none of nemeton's gives one.

    So whoever sends this data source is told what Druid tells when it knows no policy for the table.
    """

    policy: Policy

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.inner, TableDataSource):
            raise invalid_input(f"Expected a TableDataSource, got data source type [{type_names(type(self.inner))[0]}]")

    def resolved(self, rows_of: Callable[[Query], Segment]) -> NoReturn:
        """Refused."""
        self._refuse()

    def map_segment(self, segment: Segment, intervals: Sequence[Interval]) -> NoReturn:
        """Refused, by whatever way it came."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        (table,) = self.table_names
        raise illegal_state(f"No restriction found on table [{table}], but had policy [{self.policy}] before.")
