"""A thousand workers in one process, which only pretend to run tasks but speak Druid's worker protocols.

`benchmarks.scale` starts ``python -m benchmarks.fleet --zk HOST:PORT --workers 1000 …``, which obeys lines on stdin:
``report`` prints one line of JSON, the end of the input ends it. Each worker has an address of its own (127.x.y.z, so
this is for Linux) and announces itself in ZooKeeper. It takes tasks over HTTP (`httpRemote`) or from its node
(`remote`, see `benchmarks.fleet_nodes`), tells that they run, where they run, and after a while that they succeeded.

It has to cost little beside what is measured, so tasks are not parsed (their ids have one form, `TASK_ID`) and answers
are put together from encoded pieces.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click

TASK_ID = re.compile(rb"scale_\d{8}")
SOME_ID = "scale_00000000"
PORT_OF_PEON = 8100
_HISTORY = 1000
LOCATION_AFTER_S = 0.005
#: Ended tasks that a worker still tells of, as one would until its Overlord says that it may forget them.
_KEPT = 200


def announcement(status: str, host: str | None) -> dict[str, Any]:
    """What a worker says of `SOME_ID`; ``host``: where the task runs, once that is known."""
    nowhere = {"host": None, "port": -1, "tlsPort": -1}
    duration = -1 if status == "RUNNING" else 1
    return {
        "id": SOME_ID,
        "type": "noop",
        "status": status,
        "taskStatus": {"id": SOME_ID, "status": status, "duration": duration, "errorMsg": None, "location": nowhere},
        "taskResource": {"availabilityGroup": SOME_ID, "requiredCapacity": 1},
        "taskLocation": nowhere if host is None else {"host": host, "port": PORT_OF_PEON, "tlsPort": -1},
        "taskDataSource": "scale",
    }


def smile(value: Any) -> bytes:
    """A value as Smile without header and without references, so that it can be part of any document."""
    if isinstance(value, dict):
        members = b"".join(bytes((0x7F + len(name),)) + name.encode() + smile(each) for name, each in value.items())
        return b"\xfa" + members + b"\xfb"
    if isinstance(value, list):
        return b"\xf8" + b"".join(map(smile, value)) + b"\xf9"
    if isinstance(value, str):
        return bytes((0x3F + len(value),)) + value.encode()
    if isinstance(value, bool):
        return b"\x23" if value else b"\x22"
    return b"\x21" if value is None else smile_integer(value)


def smile_integer(value: int) -> bytes:
    """In the shortest of Smile's three forms: Jackson refuses small numbers in the form for large ones."""
    left = value * 2 if value >= 0 else -value * 2 - 1
    if left < 32:
        return bytes((0xC0 + left,))
    form = b"\x24" if left < 2**32 else b"\x25"
    groups = [left & 0x3F | 0x80]
    left >>= 6
    while left:
        groups.append(left & 0x7F)
        left >>= 7
    return form + bytes(reversed(groups))


class Form:
    """One of the forms in which a worker may be asked: Smile or JSON."""

    def __init__(self, content_type: bytes, encode: Callable[[Any], bytes]) -> None:
        self.content_type = content_type
        self.encode = encode

    def answer(self, changes: list[bytes], counter: int, hash_: int) -> bytes:
        """The body of an answer; the changes are encoded already."""
        start = {"resetCounter": False, "resetCause": None, "counter": {"counter": counter, "hash": hash_}}
        if self is SMILE:
            return b":)\n\x00" + smile(start)[:-1] + b"\x87requests\xf8" + b"".join(changes) + b"\xf9\xfb"
        return self.encode(start)[:-1] + b',"requests":[' + b",".join(changes) + b"]}"

    def reset(self) -> bytes:
        """The answer to who asks for what is no longer known."""
        body = self.encode({"resetCounter": True, "resetCause": "no such place", "counter": None, "requests": None})
        return b":)\n\x00" + body if self is SMILE else body


SMILE = Form(b"application/x-jackson-smile", smile)
JSON = Form(b"application/json", lambda value: json.dumps(value).encode())

Piece = dict[Form, bytes]


class Pieces:
    """What a worker says of any task, once encoded for all tasks, in both forms."""

    def __init__(self, host: str) -> None:
        self.accepted = self._update("RUNNING", None)
        self.running = self._update("RUNNING", host)
        self.ended = self._update("SUCCESS", host)
        self.metadata = self._encoded({"type": "metadata", "disabled": False})
        self.removed = self._encoded({"type": "taskRemoval", "taskId": SOME_ID})

    def _update(self, status: str, host: str | None) -> Piece:
        return self._encoded({"type": "taskUpdate", "taskAnnouncement": announcement(status, host)})

    @staticmethod
    def _encoded(value: dict[str, Any]) -> Piece:
        return {form: form.encode(value) for form in (SMILE, JSON)}


class Tally:
    """What the fleet has done."""

    def __init__(self) -> None:
        self.assigned: dict[bytes, float] = {}
        self.twice = 0
        self.ended = 0

    def take(self, task_id: bytes) -> bool:
        """Note an assignment; False when some worker was given the task before."""
        if task_id in self.assigned:
            self.twice += 1
            return False
        self.assigned[task_id] = time.time()
        return True

    def end(self) -> None:
        """Note the end of a task."""
        self.ended += 1

    def report(self) -> dict[str, Any]:
        """As it is printed. Times are seconds since 1970."""
        times = list(self.assigned.values())
        return {
            "assigned": len(times),
            "first": min(times, default=0.0),
            "last": max(times, default=0.0),
            "ended": self.ended,
            "twice": self.twice,
            "cpu_s": time.process_time(),
        }


class Worker:
    """One worker over HTTP: its tasks and its long poll."""

    def __init__(self, address: str, port: int, run_s: float, tally: Tally) -> None:
        self.host = f"{address}:{port}"
        self.tally = tally
        self._run_s = run_s
        self._pieces = Pieces(address)
        self._tasks: dict[bytes, Piece] = {}
        self._ended: deque[bytes] = deque()
        self._changes: deque[tuple[bytes, Piece]] = deque(maxlen=_HISTORY)
        self._counter = 0
        self._hash = time.time_ns() // 1_000_000
        self._poll: tuple[Connection, int, asyncio.TimerHandle] | None = None

    # ---- tasks

    def take(self, task_id: bytes) -> None:
        """The Overlord gives it a task."""
        if not self.tally.take(task_id) or task_id in self._tasks:
            return
        self._tell(task_id, self._pieces.accepted)
        loop = asyncio.get_running_loop()
        loop.call_later(LOCATION_AFTER_S, self._tell, task_id, self._pieces.running)
        loop.call_later(LOCATION_AFTER_S + self._run_s, self._end, task_id)

    def _end(self, task_id: bytes) -> None:
        self.tally.end()
        self._tell(task_id, self._pieces.ended)
        self._ended.append(task_id)
        if len(self._ended) > _KEPT:
            forgotten = self._ended.popleft()
            self._tell(forgotten, self._pieces.removed)
            del self._tasks[forgotten]

    def _tell(self, task_id: bytes, piece: Piece) -> None:
        self._tasks[task_id] = piece
        self._counter += 1
        self._changes.append((task_id, piece))
        if self._poll is not None:
            connection, counter, timer = self._poll
            self._poll = None
            timer.cancel()
            self._answer_poll(connection, counter)

    # ---- the long poll

    def poll(self, connection: Connection, counter: int, hash_: int, timeout_s: float) -> None:
        """Answer at once, or when something changes. One hash for all places: no worker here is ever restarted."""
        if counter < 0:
            self._answer(connection, self._tasks.items(), [self._pieces.metadata[connection.form]])
        elif hash_ != self._hash or counter > self._counter or counter + _HISTORY < self._counter:
            connection.answer(connection.form.reset())
        elif counter < self._counter:
            self._answer_poll(connection, counter)
        else:
            loop = asyncio.get_running_loop()
            self._poll = connection, counter, loop.call_later(timeout_s, self._time_out)

    def _time_out(self) -> None:
        if self._poll is not None:
            self._poll[0].answer_nothing()
            self._poll = None

    def gone(self, connection: Connection) -> None:
        """Nobody waits on this connection any more."""
        if self._poll is not None and self._poll[0] is connection:
            self._poll[2].cancel()
            self._poll = None

    def _answer_poll(self, connection: Connection, counter: int) -> None:
        new = self._counter - counter
        self._answer(connection, list(self._changes)[-new:])

    def _answer(
        self, connection: Connection, changes: Iterable[tuple[bytes, Piece]], before: Iterable[bytes] = ()
    ) -> None:
        form, some_id = connection.form, SOME_ID.encode()
        encoded = [*before, *(piece[form].replace(some_id, task_id) for task_id, piece in changes)]
        connection.answer(form.answer(encoded, self._counter, self._hash))


class Connection(asyncio.BufferedProtocol):
    """One HTTP/1.1 connection to one worker: requests one after the other, bodies by Content-Length."""

    received = memoryview(bytearray(64 * 1024))
    """For all of them, since what comes is looked at, or copied, at once."""

    def __init__(self, workers: dict[str, Worker]) -> None:
        self._workers = workers
        self._buffer = b""
        self.form = JSON

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BufferedProtocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._worker = self._workers[transport.get_extra_info("sockname")[0]]

    def connection_lost(self, failure: Exception | None) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._worker.gone(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`."""
        return self.received

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._buffer += self.received[:nbytes]
        while self._buffer:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            size = int(length[1]) if length else 0
            if not found or len(rest) < size:
                return
            self._buffer = rest[size:]
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
            self.form = SMILE if b"accept: application/x-jackson-smile" in head.lower() else JSON
            self._respond(method, target.decode(), rest[:size])

    def _respond(self, method: bytes, target: str, body: bytes) -> None:
        if target.startswith("/druid-internal/v1/worker?"):
            query = {name: int(values[0]) for name, values in parse_qs(urlsplit(target).query).items()}
            self._worker.poll(self, query["counter"], query.get("hash", 0), query["timeout"] / 1000)
        elif target == "/druid-internal/v1/worker/assignTask" and (found := TASK_ID.search(body)):
            self._worker.take(found[0])
            self.answer(b"")
        elif target.endswith("/shutdown"):
            self.form = JSON
            self.answer(b'{"task":"it"}')
        else:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def answer(self, body: bytes) -> None:
        """200 with this body, in the form that was asked for."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
        head %= (self.form.content_type, len(body))
        self._transport.write(head + body)

    def answer_nothing(self) -> None:
        """204: nothing has changed."""
        self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


def addresses(count: int) -> list[str]:
    """So many addresses of this machine."""
    return [f"127.77.{number // 250}.{number % 250 + 1}" for number in range(count)]


async def _obey(tally: Tally) -> None:
    """Do what the lines on stdin say."""
    loop = asyncio.get_running_loop()
    print(json.dumps({"ready": True}), flush=True)
    while (line := await loop.run_in_executor(None, sys.stdin.readline)) != "":
        if line.strip() == "report":
            print(json.dumps(tally.report()), flush=True)


@click.command()
@click.option("--zk", required=True, help="host:port of ZooKeeper")
@click.option("--base", default="/druid", show_default=True, help="druid.zk.paths.base")
@click.option("--protocol", type=click.Choice(["httpRemote", "remote"]), default="httpRemote", show_default=True)
@click.option("--workers", default=1000, show_default=True)
@click.option("--capacity", default=10, show_default=True)
@click.option("--run-ms", default=1000, show_default=True, help="how long tasks pretend to run")
@click.option("--port", default=41_000, show_default=True, help="the same for all; addresses differ")
def main(zk: str, base: str, protocol: str, workers: int, capacity: int, run_ms: int, port: int) -> None:
    """Play a fleet of workers until stdin ends."""
    from benchmarks.fleet_nodes import Announcements, NodeWorkers

    tally = Tally()
    fleet = {each: Worker(each, port, run_ms / 1000, tally) for each in addresses(workers)}

    async def play() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(fleet), list(fleet), port, backlog=64)
        announced = Announcements(zk, base)
        try:
            if protocol == "remote":
                NodeWorkers(announced.client, base, list(fleet), port, run_ms / 1000, tally).start()
            announced.announce(list(fleet), port, capacity, in_indexer=protocol == "remote")
            await _obey(tally)
        finally:
            server.close()
            announced.close()

    asyncio.run(play())


if __name__ == "__main__":
    main()
