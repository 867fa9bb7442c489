"""Curator's leader latch: whoever holds the lowest sequential node leads."""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.scheduling import ScheduledExecutor
from nemeton.discovery.leader import LeaderLatch
from nemeton.discovery.zookeeper.children import ChildrenCache, ChildrenListener
from nemeton.discovery.zookeeper.connection import SessionListener, ZooKeeper
from nemeton.discovery.zookeeper.office import Candidate, Office

log = logging.getLogger(__name__)

_CLOSE_WITHIN_S = 5.0
_FIRST_VIEW_WITHIN_S = 5.0
_NAME = re.compile(r"latch-(\d+)$")


def _sequence(name: str) -> int | None:
    """The place in the line; None for what is no latch node."""
    found = _NAME.search(name)
    return int(found[1]) if found else None


def _in_line(names: list[str]) -> list[str]:
    """The latch nodes, the leader's first."""
    placed = [(place, name) for name in names if (place := _sequence(name)) is not None]
    return [name for _, name in sorted(placed)]


class LatchView(ChildrenListener):
    """Who leads, as far as a watch on the latch has told: asking it does not ask ZooKeeper. Thread-safe."""

    def __init__(self, zookeeper: ZooKeeper, path: str, clock: Clock) -> None:
        self._zookeeper = zookeeper
        self._clock = clock
        self._cache = ChildrenCache(zookeeper, path, self, clock)
        self._lock = threading.Lock()
        self._started = False
        self._give_up_at = 0.0
        self._complete = threading.Event()

    def leader_id(self) -> str | None:
        """The id of who leads; None when nobody does, or when that cannot be known for want of a connection.

        The first view is waited for until 5 s after the watching began, which the first call does.
        """
        self.start()
        if not self._clock.wait(self._complete, self._give_up_at - self._clock.monotonic()):
            return None
        if not self._zookeeper.is_live():
            return None
        children = self._cache.children
        line = _in_line(list(children))
        return children[line[0]].decode() if line else None

    def start(self) -> None:
        """Begin to watch, if nobody did so yet."""
        with self._lock:
            if not self._started:
                self._started = True
                self._give_up_at = self._clock.monotonic() + _FIRST_VIEW_WITHIN_S
                self._cache.start()

    def initialized(self) -> None:
        """The first view is complete."""
        self._complete.set()

    def close(self) -> None:
        """Watch no more."""
        self._cache.close()


class CuratorLatch(LeaderLatch, SessionListener, Candidate):
    """One candidacy: a sequential ephemeral node ``_c_<uuid>-latch-<10 digits>`` that holds the participant's id.

    It watches its own node and the one before it in the line. Leadership ends with the first doubt about the session:
    when the connection is suspended, or when the server has not answered for two thirds of the session's time.
    With an office, whoever leads takes a term in the metadata store, by which the leader's writes are fenced.
    """

    def __init__(
        self,
        zookeeper: ZooKeeper,
        path: str,
        participant: str,
        view: LatchView,
        clock: Clock,
        office: Office | None = None,
    ) -> None:
        self._zookeeper = zookeeper
        self._path = path
        self._participant = participant
        self._view = view
        self._clock = clock
        self._office = office
        self._prefix = f"_c_{uuid.uuid4()}-latch-"
        self._executor = ScheduledExecutor(f"latch[{path}]", clock)
        self._backoff = Backoff(initial_s=0.1, max_s=3.0)
        self._lock = threading.Lock()
        self._leads_since: int | None = None  # the number of suspensions when it began to lead
        self._closing = False
        self._left = threading.Event()
        self._started = False

    # ---- LeaderLatch

    def start(self, gained: Callable[[], None], lost: Callable[[], None]) -> None:
        """Enter the line; ZooKeeper need not be there yet."""
        self._gained, self._lost = gained, lost
        self._started = True
        if self._office is not None:
            self._office.put_up_gate()
        self._zookeeper.add_session_listener(self)
        self._view.start()
        self._later(self._step)

    def take_office(self) -> None:
        """Take the next term in the metadata store, if there is a fence."""
        if self._office is not None:
            self._office.take(self)

    def close(self) -> None:
        """Leave the line. While ZooKeeper does not answer this goes on in the background, until the node is away."""
        with self._lock:
            self._closing = True
            self._leads_since = None
        if self._started:
            self._later(self._step)
            if self._zookeeper.is_live():
                self._clock.wait(self._left, _CLOSE_WITHIN_S)

    def has_leadership(self) -> bool:
        """Whether its node was the first, and nothing has cast doubt on the session since."""
        since = self._leads_since
        return since is not None and since == self._zookeeper.suspensions and self._zookeeper.is_live()

    def confirms_leadership(self) -> bool:
        """Whether its node is the first now: by a server that knows all that was said before this was asked."""
        self._zookeeper.client.sync(self._path)
        line = self._line()
        return bool(line) and line[0].startswith(self._prefix) and self.has_leadership()

    def leader_id(self) -> str | None:
        """Its own id while it leads, otherwise what the latch's watch says."""
        return self._participant if self.has_leadership() else self._view.leader_id()

    # ---- SessionListener

    def suspended(self) -> None:
        """Lead no more; the node may be somebody else's to follow already."""
        self._stop_leading()

    def lost(self) -> None:
        """The same; usually said before."""
        self._stop_leading()

    def reconnected(self) -> None:
        """Look where it stands in the line; with a new session it has to enter it anew."""
        self._later(self._step)

    def _stop_leading(self) -> None:
        with self._lock:
            led, self._leads_since = self._leads_since is not None, None
        if led:
            self._lost()

    # ---- steps, on the latch's thread

    def _later(self, step: Callable[[], None], delay_s: float = 0) -> None:
        if not self._executor.schedule_if_running(step, delay_s):
            log.debug("The latch of [%s] is closed", self._path)

    def _step(self) -> None:
        """Look at the line and do what follows; what fails is tried again."""
        try:
            if self._closing:
                self._leave()
            else:
                self._take_place()
        except Exception as failure:  # noqa: BLE001 - whatever it is, a candidate that gives up is missed by nobody
            if self._zookeeper.is_closed:  # the session took the node with it
                self._end()
                return
            delay_s = self._backoff.next_delay()
            log.info("The latch of [%s] is tried again in %.1f s: %r", self._path, delay_s, failure)
            self._later(self._step, delay_s)
        else:
            self._backoff.reset()

    def _touched(self, event: Any) -> None:
        """A watched node has changed; when the connection has gone, `reconnected` will come."""
        if event.type != "NONE":
            self._later(self._step)

    def _take_place(self) -> None:
        while not self._closing:
            suspensions = self._zookeeper.suspensions
            line = self._line()
            own = self._own_node(line)
            if own is None:
                if self._leads_since is not None:
                    log.warning("The node by which this process leads at [%s] was taken away", self._path)
                    self._stop_leading()
                    return
                self._enter()
            elif line[0] == own:
                self._lead(suspensions)
                return
            elif self._zookeeper.client.exists(self._before(line, own), watch=self._touched):
                return

    def _before(self, line: list[str], own: str) -> str:
        return f"{self._path}/{line[line.index(own) - 1]}"

    def _line(self) -> list[str]:
        from kazoo.exceptions import NoNodeError

        client = self._zookeeper.client
        try:
            return _in_line(client.get_children(self._path))
        except NoNodeError:
            client.ensure_container(self._path)
            return []

    def _own_node(self, line: list[str]) -> str | None:
        """The node that this latch has made in this session; one that it made in a lost session is deleted."""
        from kazoo.exceptions import NoNodeError

        client = self._zookeeper.client
        for name in line:
            if not name.startswith(self._prefix):
                continue
            stat = client.exists(f"{self._path}/{name}", watch=self._touched)
            if stat is not None and stat.ephemeralOwner == client.session_id:
                return name
            try:
                client.delete(f"{self._path}/{name}")
            except NoNodeError:
                continue
        return None

    def _enter(self) -> None:
        """Make the node. When the answer is lost on its way, the next step finds the node by its prefix."""
        self._zookeeper.client.create(
            f"{self._path}/{self._prefix}", self._participant.encode(), ephemeral=True, sequence=True
        )

    def _lead(self, suspensions: int) -> None:
        with self._lock:
            if self._closing or self._leads_since == suspensions:
                return
            self._leads_since = suspensions
        self._gained()

    def _leave(self) -> None:
        """Take the node away; it must not stand before others when the session lives on."""
        from kazoo.exceptions import NoNodeError

        client = self._zookeeper.client
        for name in self._line():
            if name.startswith(self._prefix):
                try:
                    client.delete(f"{self._path}/{name}")
                except NoNodeError:
                    continue
        self._end()

    def _end(self) -> None:
        self._zookeeper.remove_session_listener(self)
        self._left.set()
        self._executor.shutdown()
