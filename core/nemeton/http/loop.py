"""The event loop that all HTTP servers and proxies of a process share."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from nemeton.lifecycle import lifecycle_stop

log = logging.getLogger(__name__)

T = TypeVar("T")


def is_on_event_loop() -> bool:
    """Whether the caller runs on an event loop, and so must not wait for anything."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class EventLoopThread:
    """An asyncio event loop on a daemon thread; started by the first to use it, bound once per process.

    Thread-safe. What runs on it must not block: everybody's requests wait behind it.
    """

    def __init__(self, name: str = "nemeton-http") -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop, started when it is not."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; the future is for other threads."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine on the loop and wait for it, at most `timeout_s` seconds. Not from the loop itself."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("The event loop would wait for itself")
        future = self.submit(coroutine)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    @lifecycle_stop
    def stop(self, timeout_s: float = 5.0) -> None:
        """Cancel what still runs and end the thread; it starts anew when it is used again."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(timeout_s)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            log.warning("Tasks on event loop %s did not end within %.1f s", self._name, timeout_s)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout_s)
        if not thread.is_alive():
            loop.close()


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
