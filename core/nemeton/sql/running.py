"""The statements that run now, so that they can be cancelled by id."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from attrs import define, field

from nemeton.common.closing import close_if_possible
from nemeton.common.errors import QueryException

T = TypeVar("T")


@define(eq=False)
class RunningStatement:
    """One statement; `resources` are the data sources that it reads, `native_id` the ``queryId`` of its queries."""

    query_id: str
    resources: tuple[str, ...] = ()
    native_id: str = ""
    cancelled: threading.Event = field(factory=threading.Event)

    def guard(self, rows: Iterator[T], done: Callable[[], None]) -> Generator[T]:
        """The rows until the statement is cancelled; `done` is called once at the end, however it comes."""
        try:
            for row in rows:
                self._check()
                yield row
            self._check()
        finally:
            close_if_possible(rows)
            done()

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise QueryException(QueryException.CANCELLED, "Query canceled")


class RunningStatements:
    """All running statements by id; several may share an id. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, list[RunningStatement]] = {}

    def add(self, statement: RunningStatement) -> None:
        """Note a statement as running."""
        with self._lock:
            self._by_id.setdefault(statement.query_id, []).append(statement)

    def remove(self, statement: RunningStatement) -> None:
        """Forget a statement; nothing happens when it is not noted."""
        with self._lock:
            left = [other for other in self._by_id.get(statement.query_id, []) if other is not statement]
            if left:
                self._by_id[statement.query_id] = left
            else:
                self._by_id.pop(statement.query_id, None)

    def find(self, query_id: str) -> list[RunningStatement]:
        """The running statements of that id."""
        with self._lock:
            return list(self._by_id.get(query_id, []))
