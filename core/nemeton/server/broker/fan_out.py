"""Asks all data servers that have a part of a query at once, and others for what some have lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from functools import partial
from typing import Any

from attrs import define, field, frozen

from nemeton.common.errors import QueryException
from nemeton.dataserver.query_run import QueryRun
from nemeton.http.abort import Abort
from nemeton.http.client import HttpClientError
from nemeton.http.config import ServerConfig
from nemeton.http.pool import HandlerPool
from nemeton.lifecycle import lifecycle_stop
from nemeton.model import SegmentDescriptor
from nemeton.query.model.base import BaseQuery
from nemeton.rpc.server_inventory import DruidServer
from nemeton.server.broker.config import BrokerHttpConfig, BrokerRetryConfig
from nemeton.server.broker.data_server import DataServerClient, ServerAnswer
from nemeton.server.broker.splitting import Wanted, sub_query

_MISSING_CLASS = "org.apache.druid.segment.SegmentMissingException"


@frozen
class Part:
    """What one data server gave, None when nothing, of the segments that it was asked for; and what it lacked."""

    answer: ServerAnswer | None
    asked: Sequence[Wanted]
    missing: Sequence[Wanted]


@define
class _Round:
    """One query over the cluster: what was asked of whom."""

    query: BaseQuery
    run: QueryRun
    context: Mapping[str, Any]
    stream: bool
    stream_long: bool
    tried: dict[tuple[str, SegmentDescriptor], set[str]] = field(factory=lambda: defaultdict(set))


class FanOut:
    """Thread-safe.

    Segments that a server has lost, or all of a server that does not answer, are asked for at other servers, or again
    at the same one, as often as ``druid.broker.retryPolicy.numTries``, or the context's
    ``numRetriesOnMissingSegments``, says. What is missing then fails the query, unless ``returnPartialResults``.
    """

    def __init__(
        self, client: DataServerClient, config: BrokerHttpConfig, retries: BrokerRetryConfig, server: ServerConfig
    ) -> None:
        self._client = client
        self._retries = retries
        threads = max(8, config.num_connections * 2, server.num_threads)
        self._pool = HandlerPool("broker-fanout", threads, 10_000)

    @lifecycle_stop
    def stop(self) -> None:
        """Send no more queries to data servers."""
        self._pool.close()

    def ask(
        self,
        query: BaseQuery,
        wanted: Sequence[Wanted],
        run: QueryRun,
        context: Mapping[str, Any],
        *,
        stream: bool,
        stream_long: bool = False,
        again: Callable[[Sequence[Wanted]], Sequence[Wanted]],
    ) -> list[Part]:
        """The answers of all. ``context`` is added to what data servers are asked; ``again`` finds lost segments anew.

        Streamed answers (with ``stream_long`` those that are long) are closed with the run.
        """
        asking = _Round(query, run, context, stream, stream_long)
        parts: list[Part] = []
        for left in range(self._tries(query), -1, -1):
            round_parts = self._ask_all(asking, wanted)
            parts += [part for part in round_parts if part.answer is not None]
            wanted = [each for part in round_parts for each in part.missing]
            if not wanted:
                return parts
            if left:
                wanted = again(wanted)
        self._give_up(query, wanted, run)
        return parts

    def _tries(self, query: BaseQuery) -> int:
        return max(0, query.query_context.get_int("numRetriesOnMissingSegments", self._retries.num_tries))

    def _give_up(self, query: BaseQuery, wanted: Sequence[Wanted], run: QueryRun) -> None:
        if query.query_context.get_bool("returnPartialResults", self._retries.return_partial_results):
            run.missing += [each.descriptor for each in wanted]
            return
        names = ", ".join(str(each.descriptor.to_segment_id(each.table)) for each in wanted[:5])
        raise QueryException(
            QueryException.UNKNOWN,
            f"No results found for segments[{names}{' …' if len(wanted) > 5 else ''}]",
            error_class=_MISSING_CLASS,
        )

    def _ask_all(self, asking: _Round, wanted: Sequence[Wanted]) -> list[Part]:
        """Ask for everything at once, each server once per table; the first failure ends the others."""
        by_server: dict[tuple[str, str], list[Wanted]] = defaultdict(list)
        servers: dict[str, DruidServer] = {}
        orphans = []
        for each in wanted:
            server = self._choose(each, asking.tried[each.key])
            if server is None:
                orphans.append(each)
                continue
            asking.tried[each.key].add(server.name)
            servers[server.name] = server
            by_server[server.name, each.table].append(each)
        asked = [(servers[name], table, batch) for (name, table), batch in by_server.items()]
        parts = self._ask_each(asking, asked) if asked else []
        for part in parts:
            if part.answer is not None:
                asking.run.resources.callback(part.answer.close)
        return [*parts, Part(None, orphans, orphans)] if orphans else parts

    def _choose(self, wanted: Wanted, tried: set[str]) -> DruidServer | None:
        """A server that was not asked yet, or else one that was: it may have the segment again."""
        return wanted.selector.pick(self._client.load, tried) or wanted.selector.pick(self._client.load)

    def _ask_each(self, asking: _Round, asked: Sequence[tuple[DruidServer, str, Sequence[Wanted]]]) -> list[Part]:
        """Each of them at once, the last one from this thread, which has nothing to do but wait.

        What they wait for ends when the query is cancelled, or when one of them fails.
        """
        run = asking.run
        abort = Abort()
        run.resources.enter_context(run.cancelled.calling(abort.abort))
        futures = []
        for each in asked[:-1]:
            futures.append(self._pool.submit(partial(self._ask_server, asking, abort, *each), always=True))
            futures[-1].add_done_callback(partial(_abort_if_failed, abort))
        own: Part | None = None
        try:
            own = self._ask_server(asking, abort, *asked[-1])
            done, waiting = wait(futures, run.seconds_left(), FIRST_EXCEPTION)
            for future in done:
                future.result()
            if waiting:
                raise run.timeout()
            return [*(future.result() for future in futures), own]
        except BaseException:
            abort.abort()
            for future in futures:
                future.cancel()
                future.add_done_callback(_close)
            if own is not None and own.answer is not None:
                own.answer.close()
            self._cancel_at([server for server, *_ in asked], run)
            raise

    def _ask_server(
        self, asking: _Round, abort: Abort, server: DruidServer, table: str, batch: Sequence[Wanted]
    ) -> Part:
        context = {"queryId": asking.run.query_id, **asking.context}
        asked = sub_query(asking.query, table, batch, context)
        try:
            answer = self._client.ask(
                asked, server, asking.run, abort=abort, stream=asking.stream, stream_long=asking.stream_long
            )
        except HttpClientError:
            asking.run.check()
            return Part(None, batch, batch)
        missing = set(answer.missing)
        return Part(answer, batch, [each for each in batch if each.descriptor in missing])

    def _cancel_at(self, servers: Sequence[DruidServer], run: QueryRun) -> None:
        """Tell data servers to stop, without waiting for what they say."""
        for url in {server.metadata.base_url for server in servers}:
            self._pool.submit(partial(self._client.cancel, url, run.query_id), always=True)


def _abort_if_failed(abort: Abort, future: Future[Part]) -> None:
    """Nobody needs the other answers then."""
    if not future.cancelled() and future.exception() is not None:
        abort.abort()


def _close(future: Future[Part]) -> None:
    """Let go of an answer that came too late."""
    if not future.cancelled() and future.exception() is None:
        answer = future.result().answer
        if answer is not None:
            answer.close()
