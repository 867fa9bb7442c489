"""Clients that ask a Broker as fast as it answers, in a process of their own: what `benchmarks.growth` starts.

``python -m benchmarks.clients --port PORT --clients 16 --start-at 1e9 --seconds 8`` prints one line of JSON at the end.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from typing import Any

import click

from benchmarks.statements import CONTEXT, STATEMENTS

_TIMEOUT_S = 120.0


class Client(threading.Thread):
    """One client with one connection; asks the statements in an order of its own, again and again."""

    def __init__(self, port: int, seed: int, start_at: float, end_at: float) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._random = random.Random(seed)
        self._start_at, self._end_at = start_at, end_at
        self.millis: list[float] = []
        """Of the answers that came between start and end."""
        self.failures: list[str] = []

    def run(self) -> None:
        """See `threading.Thread`."""
        connection = http.client.HTTPConnection("localhost", self._port, timeout=_TIMEOUT_S)
        headers = {"Content-Type": "application/json"}
        while time.time() < self._end_at:
            for statement in self._random.sample(STATEMENTS, len(STATEMENTS)):
                if time.time() >= self._end_at:
                    break
                body = json.dumps({"query": statement.sql, "context": CONTEXT, "resultFormat": "array"})
                began = time.time()
                try:
                    connection.request("POST", "/druid/v2/sql", body, headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    failure = "" if answer.status == 200 else f"{answer.status}: {text[:200]!r}"
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    failure = repr(error)
                if self._start_at <= time.time() < self._end_at:
                    self._note(began, failure)

    def _note(self, began: float, failure: str) -> None:
        if failure:
            self.failures.append(failure)
        else:
            self.millis.append((time.time() - began) * 1000)


def report(clients: list[Client]) -> dict[str, Any]:
    """What they saw, for the line of JSON."""
    failures = [failure for client in clients for failure in client.failures]
    millis = [each for client in clients for each in client.millis]
    return {"millis": [round(each, 2) for each in millis], "failures": len(failures), "first_failure": failures[:1]}


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--clients", "count", type=int, required=True)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--start-at", type=float, required=True, help="Seconds since 1970; what is answered before is not counted."
)
@click.option("--seconds", type=float, required=True)
def main(port: int, count: int, seed: int, start_at: float, seconds: float) -> None:
    """Ask until the time is over."""
    clients = [Client(port, seed + i, start_at, start_at + seconds) for i in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(seconds + 2 * _TIMEOUT_S)
    print(json.dumps(report(clients)), flush=True)


if __name__ == "__main__":
    main()
