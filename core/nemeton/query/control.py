"""When a query must stop: its deadline and its cancellation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from attrs import define

from nemeton.common.errors import QueryException

if TYPE_CHECKING:
    from nemeton.spi.query import CancelToken


@define
class Control:
    """Checked between blocks. `deadline` is in seconds of `time.monotonic()`; None is no deadline."""

    deadline: float | None = None
    cancel: CancelToken | None = None
    query_id: str | None = None

    def check(self) -> None:
        """Raise when the query was cancelled or its time is up."""
        if self.cancel is not None and self.cancel.is_set():
            raise QueryException(
                QueryException.CANCELLED,
                f"Query [{self.query_id}] was cancelled" if self.query_id else "Query was cancelled",
                error_class="org.apache.druid.query.QueryInterruptedException",
            )
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise QueryException(
                QueryException.TIMEOUT,
                f"Query [{self.query_id}] timed out" if self.query_id else "Query timed out",
                error_class="org.apache.druid.query.QueryTimeoutException",
            )


UNLIMITED = Control()
