"""Running a task to its status: what a peon and an Indexer do alike."""

from __future__ import annotations

import json as plain_json
import logging
import traceback
from contextlib import ExitStack
from pathlib import Path

from nemeton.common.files import write_atomically
from nemeton.json import Json
from nemeton.lookups.task_lookups import lookups_of_task
from nemeton.model import TaskStatus
from nemeton.spi.indexing import Task, TaskToolbox

log = logging.getLogger("nemeton.peon")


def run_task(task: Task, toolbox: TaskToolbox) -> TaskStatus:
    """Ask the task whether it is ready, run it, let it clean up; an exception is a failure with its text."""
    with ExitStack() as lookups:
        return _run_task(task, toolbox, lookups)


def _run_task(task: Task, toolbox: TaskToolbox, lookups: ExitStack) -> TaskStatus:
    status: TaskStatus | None = None
    try:
        lookups.enter_context(lookups_of_task(task, toolbox.injector))
        if not task.is_ready(toolbox.action_client):
            status = TaskStatus.failure(task.id, "Task is not ready to run")
            return status
        log.info("Running task [%s]", task.id)
        status = task.run(toolbox)
    except Exception as error:
        log.exception("Task [%s] failed", task.id)
        status = TaskStatus.failure(task.id, described(error))
    finally:
        try:
            task.clean_up(toolbox, status)
        except Exception:
            log.exception("Cleaning up after task [%s] failed", task.id)
    return status


def write_status(status: TaskStatus, file: Path, json: Json) -> None:
    """Log the task's final status, and write it where the worker looks. Raises OSError."""
    payload = json.dumps(status)
    log.info("Task completed with status: %s", plain_json.dumps(plain_json.loads(payload), indent=2))
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, payload)


def described(error: BaseException) -> str:
    """An exception in a few words, for the task's status."""
    if isinstance(error, MemoryError):
        return "The task needed more memory than it may have; see druid.indexer.runner.peonMemoryLimit"
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else "".join(traceback.format_exception_only(error)).strip()
