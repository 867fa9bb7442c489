"""The start of the task runner, which may wait for its workers for minutes, while the leadership may end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from nemeton.common.clock import Clock
from nemeton.spi.indexing import TaskRunner

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5


class RunnerStart:
    """The runner as a part of the leader's lifecycle. Its start is given up soon after ``wanted`` has become false.

    It stands before the queue, whose start writes: that is not begun for a leadership that is over.
    """

    def __init__(self, runner: TaskRunner, wanted: Callable[[], bool], clock: Clock) -> None:
        self._runner = runner
        self._wanted = wanted
        self._clock = clock

    def start(self) -> None:
        """Start the runner. Raises RuntimeError, with the runner stopped, when that is not wanted any more."""
        ended = threading.Event()
        watch = threading.Thread(target=self._watch, args=[ended], name="task-runner-start", daemon=True)
        watch.start()
        failure = None
        try:
            self._runner.start()
        except Exception as error:
            if self._wanted():
                raise
            failure = error
        finally:
            ended.set()
            watch.join()
        if not self._wanted():
            self._runner.stop()  # also after the watch has: a start may have gone on behind its back
            raise RuntimeError("The leadership was lost while the task runner started") from failure

    def stop(self) -> None:
        """Stop the runner."""
        self._runner.stop()

    def _watch(self, ended: threading.Event) -> None:
        while not self._clock.wait(ended, _LOOK_EVERY_S):
            if not self._wanted():
                log.info("The start of the task runner is given up: this Overlord leads no more")
                self._give_up()
                return

    def _give_up(self) -> None:
        try:
            self._runner.stop()
        except Exception:
            log.exception("The task runner could not be stopped while it started")
