"""What a node's lookup manager does with one lookup at a time: load it, or drop it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from nemeton.common.backoff import Backoff
from nemeton.common.clock import Clock
from nemeton.common.errors import runtime_failure
from nemeton.lookups.state import LookupExtractorFactoryContainer
from nemeton.spi.lookups import LookupContext

log = logging.getLogger(__name__)

Loaded = dict[str, LookupExtractorFactoryContainer]


@frozen(kw_only=True)
class Workshop:
    """What notices need of their manager.

    ``stopped`` is set when it stops. ``await_on_the_side`` runs work for a lookup that fills itself, on another thread;
    ``add`` sends a notice to load.
    """

    context: LookupContext
    clock: Clock
    tries: int
    stopped: threading.Event
    await_on_the_side: Callable[[str, LookupExtractorFactoryContainer, Callable[[], None]], None]
    add: Callable[[str, LookupExtractorFactoryContainer], None]

    def start(self, name: str, container: LookupExtractorFactoryContainer) -> None:
        """Start a lookup, with as many tries as are configured. Raises what the last one raised."""
        backoff = Backoff(initial_s=0.5, max_s=10.0)
        for left in range(self.tries - 1, -1, -1):
            try:
                if container.lookup_extractor_factory.start(self.context):
                    return
                raise runtime_failure(f"start method returned false for lookup [{name}]")
            except Exception as failure:
                if not left:
                    raise
                log.warning("Lookup [%s] did not start, trying again: %s", name, failure)
                if self.clock.wait(self.stopped, backoff.next_delay()):
                    raise


class Notice(Protocol):
    """Something to be done with the lookups of a node, on its manager's thread."""

    @property
    def name(self) -> str:
        """The lookup's."""
        ...

    @property
    def container(self) -> LookupExtractorFactoryContainer | None:
        """What is to be loaded; None for a drop."""
        ...

    def handle(self, lookups: Loaded, workshop: Workshop) -> LookupExtractorFactoryContainer | None:
        """Do it, changing what is loaded; what has lost its place is given back, to be destroyed afterwards."""
        ...


@frozen
class LoadNotice:
    """Load a lookup, or put it in an older one's place."""

    name: str
    container: LookupExtractorFactoryContainer
    is_started: bool = False

    def handle(self, lookups: Loaded, workshop: Workshop) -> LookupExtractorFactoryContainer | None:
        """See `Notice`. One that replaces another serves when it has something to look up in, and not before."""
        old = lookups.get(self.name)
        if old is not None and not self.container.replaces(old):
            log.warning("Lookup [%s] is loaded with version [%s] already", self.name, old.version)
            return self.container if self.is_started else None
        if not self.is_started:
            self._start(workshop)
        if old is None or self.container.lookup_extractor_factory.is_initialized:
            lookups[self.name] = self.container
            log.info("Loaded lookup [%s] with version [%s]", self.name, self.container.version)
            return old
        workshop.await_on_the_side(self.name, self.container, lambda: self._wait_and_add(workshop))
        return None

    def _start(self, workshop: Workshop) -> None:
        try:
            workshop.start(self.name, self.container)
        except BaseException:
            destroy(self.name, self.container)
            raise

    def _wait_and_add(self, workshop: Workshop) -> None:
        factory = self.container.lookup_extractor_factory
        try:
            factory.await_initialization()
            if factory.is_initialized:
                workshop.add(self.name, self.container)
                return
            log.error("Lookup [%s] has loaded nothing in its time; the one before it goes on serving", self.name)
        except Exception:
            log.exception("Lookup [%s] cannot be loaded; the one before it goes on serving", self.name)
        destroy(self.name, self.container)


@frozen
class DropNotice:
    """Drop a lookup."""

    name: str
    container: LookupExtractorFactoryContainer | None = None

    def handle(self, lookups: Loaded, workshop: Workshop) -> LookupExtractorFactoryContainer | None:
        """See `Notice`."""
        old = lookups.pop(self.name, None)
        if old is not None:
            log.info("Dropped lookup [%s]", self.name)
        return old


def destroy(name: str, container: LookupExtractorFactoryContainer) -> None:
    """Let a lookup go that nobody asks for any more; what it raises is logged."""
    try:
        container.lookup_extractor_factory.destroy()
    except Exception:
        log.exception("Lookup [%s] cannot be destroyed", name)
