"""`python -m benchmarks spill`: a groupBy on ten million distinct keys, within a gibibyte, every group looked at."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import click
import numpy as np
from attrs import define

from benchmarks import growth_data
from benchmarks.probe import PeakOfAnonymous, peak_rss
from benchmarks.report import machine
from benchmarks.sides import NEMETON, PORTS, Nemeton, work_folder
from nemeton.json.array_stream import array_members
from nemeton.segment import LongData

_OFFSET = 14_000
_SEGMENT_ROWS = 500_000
_CHUNK = 1 << 20
_MIB, _GIB = 1 << 20, 1 << 30


class SpillingNemeton(Nemeton):
    """Our quickstart, all roles in one process, with a disk for groupBy and little memory for anything."""

    properties: ClassVar[Mapping[str, object]] = {
        "druid.processing.buffer.sizeBytes": 192 << 20,
        "druid.processing.decodedColumnCacheBytes": 32 << 20,
        "druid.processing.numThreads": 2,
        "druid.processing.tmpDir": "tmp",
        "druid.query.groupBy.maxOnDiskStorage": "20GiB",
    }


@define
class Spilled:
    """One query's run."""

    kind: str
    groups: int
    seconds: float
    first_row_s: float
    peak: int
    """The most memory of the server's process in bytes, without what it maps of segments."""
    peak_rss: int
    """With what it maps of them: as much as the system has room for."""


def make(folder: Path, keys: int) -> Path:
    """Segments in which each key stands twice, in two of them: as the text `key` and as the number `number`."""
    done = folder / "done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        shuffled = [np.random.default_rng(seed).permutation(keys) for seed in (1, 2)]
        rows = np.concatenate(shuffled)
        for number, at in enumerate(range(0, len(rows), _SEGMENT_ROWS)):
            _segment(folder, number, rows[at : at + _SEGMENT_ROWS])
        done.touch()
    return folder


def _segment(folder: Path, number: int, keys: np.ndarray[Any, Any]) -> None:
    used, codes = np.unique(keys, return_inverse=True)
    texts = growth_data.strings_column("key", [text_of(each) for each in used.tolist()], codes)
    values = [LongData("number", keys), LongData("quantity", quantity_of(keys))]
    growth_data.write(folder, "keys", number, len(keys), [texts, *values])


def text_of(key: int) -> str:
    """A key as a text."""
    return f"key {key:09}"


def quantity_of(key: Any) -> Any:
    """What each of the two rows of a key has as its quantity."""
    return key * 7 % 50


def query_of(kind: str) -> dict[str, Any]:
    """A groupBy of all keys, rows as arrays."""
    return {
        "queryType": "groupBy",
        "dataSource": "keys",
        "intervals": ["2000-01-01/2100-01-01"],
        "granularity": "all",
        "dimensions": [kind if kind == "key" else {"type": "default", "dimension": kind, "outputType": "LONG"}],
        "aggregations": [
            {"type": "count", "name": "rows"},
            {"type": "longSum", "name": "total", "fieldName": "quantity"},
        ],
        "context": {"timeout": 3_600_000, "resultAsArray": True},
    }


def rows_of(side: Nemeton, kind: str) -> Iterator[list[Any]]:
    """The rows of the answer while they come."""
    url = f"http://localhost:{PORTS['broker'] + side.offset}/druid/v2/"
    body = json.dumps(query_of(kind)).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=3600) as answer:
        yield from array_members(iter(lambda: answer.read(_CHUNK), b""))


def measure(side: Nemeton, kind: str, keys: int) -> Spilled:
    """Ask, and look at every group: all keys in order, each with its two rows and the sum of their quantities."""
    (root,) = side.roots()
    began = time.monotonic()
    first, at = 0.0, 0
    with PeakOfAnonymous(root.pid) as peak:
        for key, rows, total in rows_of(side, kind):
            if not at:
                first = time.monotonic() - began
            if key != (text_of(at) if kind == "key" else at) or rows != 2 or total != 2 * quantity_of(at):
                raise AssertionError(f"group {at:,} is {[key, rows, total]}")
            at += 1
            if at % 1_000_000 == 0:
                print(f"  {at:12,} groups, {time.monotonic() - began:6.1f} s", flush=True)
    if at != keys:
        raise AssertionError(f"{at:,} groups instead of {keys:,}")
    return Spilled(kind, at, time.monotonic() - began, first, peak.bytes, peak_rss(root.pid))


@click.command()
@click.option("--keys", default=10_000_000, show_default=True, help="Distinct keys; each has two rows.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(["key", "number"]), help="Both when none is given.")
def main(keys: int, kinds: tuple[str, ...]) -> None:
    """Group more keys than fit into memory, and look at every group that comes.

    All roles run in one process, whose memory has to stay below a gibibyte; what it maps of segments, which the
    system takes back when it needs to, does not count. `key` is a text, `number` a number. The data takes a minute to
    write, once.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all that was started is stopped
    base = work_folder() / "spill" / str(keys)
    noted = make(base / "segments", keys)
    data = base / "nemeton" / "data"
    if not data.exists():
        data.mkdir(parents=True)
        subprocess.run([NEMETON, "tools", "insert-segments", str(noted), "--data-dir", str(data)], check=True)
    print(f"{machine()}", flush=True)
    for kind in kinds or ("number", "key"):
        side = SpillingNemeton(base / "nemeton", _OFFSET)
        with side.running():
            side.wait_for_rows("keys", 2 * keys)
            found = measure(side, kind, keys)
        verdict = "holds" if found.peak <= _GIB else "MISSED"
        spent = f"{found.seconds:.1f} s, the first row after {found.first_row_s:.1f} s"
        memory = f"peak memory {found.peak / _MIB:,.0f} MiB (wanted at most 1,024: {verdict})"
        mapped = f"{found.peak_rss / _MIB:,.0f} MiB with what is mapped of segments"
        print(f"{kind}: {found.groups:,} groups, all right, in {spent}; {memory}, {mapped}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
