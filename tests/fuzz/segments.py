"""Damages the golden segments in every way that comes to mind and reads them: `python -m tests.fuzz.segments --help`.

A case is one damage of one segment. It passes when the segment is read (where nothing in the format can tell) or when
the error is a `DruidException` that names the damaged part. Anything else is a finding: another exception, a read that
takes long, memory beyond what the file could hold. The process dying shows in the shell; `--verbose` names each case.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from tests.fuzz.queries import run_queries

from nemeton.common.errors import DruidException
from nemeton.segment import DecodedColumnCache, QueryableIndex
from nemeton.segment.columns import NumericColumn, StringColumn
from nemeton.segment.object_columns import ObjectColumn
from nemeton.segment.zipped import unpack_zip

GOLDEN = Path(__file__).parents[1] / "golden" / "segments"
CORRUPT = re.compile(r"Segment (\[fuzz\] )?is corrupt in \[[^\]]+\]: .")
#: A kernel that is compiled for types that it has not seen takes some seconds of the query that needs it.
HEAD, SLOW_S, MUCH_MEMORY_KB = 160, 30.0, 400_000
BYTES = (0, 1, 2, 3, 0x7F, 0x80, 0xFE, 0xFF)
INTS = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0x00FFFFFF, 0x10000, 0x40000000)


@frozen
class Entry:
    """An internal file: where it lies, and which column it is of."""

    name: str
    chunk: str
    start: int
    end: int

    @property
    def column(self) -> str | None:
        """The column; None for what all columns hang on."""
        return None if self.name in ("index.drd", "metadata.drd", "__time") else self.name.split(".__")[0]


@frozen
class Damage:
    """New content of one file of the directory, and what was done to it; a column if it can hit only that one."""

    file: str
    content: bytes | None
    what: str
    column: str | None = None


@define
class Victim:
    """A whole segment, and the folder where its damaged copies lie, one after another."""

    name: str
    whole: dict[str, bytes]
    folder: Path
    entries: list[Entry] = field(init=False)

    def __attrs_post_init__(self) -> None:
        lines = [line.split(",") for line in self.whole["meta.smoosh"].decode().splitlines()[1:]]
        self.entries = [Entry(n, f"{int(c):05d}.smoosh", int(s), int(e)) for n, c, s, e in lines]
        self.restore()

    @classmethod
    def of(cls, archive: Path, root: Path) -> Victim:
        name = "/".join(archive.parts[-4:-1])
        folder = root / name.replace("/", "_").replace(":", "")
        folder.mkdir()
        unpack_zip(archive, folder)
        return cls(name, {path.name: path.read_bytes() for path in folder.iterdir()}, folder)

    def restore(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, content in self.whole.items():
            (self.folder / name).write_bytes(content)

    def apply(self, damage: Damage) -> None:
        path = self.folder / damage.file
        path.unlink()  # a mapping that is still open keeps the bytes that it has
        if damage.content is not None:
            path.write_bytes(damage.content)

    def undo(self, damage: Damage) -> None:
        path = self.folder / damage.file
        path.unlink(missing_ok=True)
        path.write_bytes(self.whole[damage.file])


# ---- damages
def patched(victim: Victim, entry: Entry, at: int, new: bytes) -> Damage:
    """Other bytes at a place of an internal file."""
    data = bytearray(victim.whole[entry.chunk])
    new = new[: entry.end - entry.start - at]
    data[entry.start + at : entry.start + at + len(new)] = new
    return Damage(entry.chunk, bytes(data), f"{entry.name}+{at} = {new.hex()}", entry.column)


def cut(victim: Victim, entry: Entry, size: int) -> Damage:
    """An internal file of which only so many bytes are left, as the table of contents says."""
    lines = victim.whole["meta.smoosh"].decode().splitlines()
    where = next(i for i, line in enumerate(lines) if line.startswith(f"{entry.name},"))
    lines[where] = ",".join([*lines[where].split(",")[:-1], str(entry.start + size)])
    return Damage("meta.smoosh", "\n".join(lines).encode(), f"{entry.name} cut to {size}", entry.column)


def file_damage(victim: Victim, dice: random.Random) -> Damage:
    """A file of the directory gone, cut, or with other bytes; or an internal file that the contents do not name."""
    name = dice.choice(sorted(victim.whole))
    data = victim.whole[name]
    kind = dice.randrange(4)
    if kind == 0:
        return Damage(name, None, f"{name} gone")
    if kind == 1 or not data:
        size = dice.randrange(max(1, len(data)))
        return Damage(name, data[:size], f"{name} cut to {size}")
    if kind == 2:
        lines = victim.whole["meta.smoosh"].decode().splitlines()
        gone = lines.pop(dice.randrange(1, len(lines)))
        return Damage("meta.smoosh", "\n".join(lines).encode(), f"without [{gone}]")
    changed = bytearray(data)
    at = dice.randrange(len(data))
    changed[at] = dice.choice(
        [dice.randrange(256), changed[at] ^ 1 << dice.randrange(8), ord(dice.choice("0123456789,"))]
    )
    return Damage(name, bytes(changed), f"{name}+{at} = {changed[at]:02x}")


def random_damage(victim: Victim, dice: random.Random) -> Damage:
    """Any damage; the beginnings of internal files, where the structure is, more often than the rest."""
    if dice.random() < 0.1:
        return file_damage(victim, dice)
    entry = dice.choice([each for each in victim.entries if each.end > each.start])
    size = entry.end - entry.start
    if dice.random() < 0.1:
        return cut(victim, entry, dice.randrange(size))
    at = dice.randrange(min(size, HEAD * 3)) if dice.random() < 0.75 else dice.randrange(size)
    order = dice.choice(["big", "little"])
    new = dice.choice(
        [
            bytes([dice.choice(BYTES)]),
            bytes([victim.whole[entry.chunk][entry.start + at] ^ 1 << dice.randrange(8)]),
            dice.choice(INTS).to_bytes(4, order),
            dice.choice([size, size * 8, size // 4, 2**31 - size]).to_bytes(8, "big")[-4:],
            dice.randbytes(dice.choice([1, 2, 4, 8, 64])),
        ]
    )
    return patched(victim, entry, at, new)


def every_damage(victim: Victim) -> list[Callable[[], Damage]]:
    """Each of the first bytes of each internal file to each of a few values, and every cut of their beginnings.

    Each is made when it is wanted: together they would not fit into memory.
    """
    makers: list[Callable[[], Damage]] = []
    for entry in victim.entries:
        size = entry.end - entry.start
        for at in range(min(size, HEAD)):
            old = victim.whole[entry.chunk][entry.start + at]
            makers += [
                lambda e=entry, a=at, v=value: patched(victim, e, a, bytes([v]))
                for value in {*BYTES, *(old ^ 1 << bit for bit in range(8))} - {old}
            ]
            makers += [lambda e=entry, a=at, v=value: patched(victim, e, a, v.to_bytes(4, "big")) for value in INTS]
        makers += [lambda e=entry, n=short: cut(victim, e, n) for short in range(min(size, HEAD))]
    return makers


def damage_values(folder: Path, column: str, size: int = 40) -> None:
    """Spoil the first block of a number column: its headers stay as they are."""
    line = next(x for x in (folder / "meta.smoosh").read_text().split("\n") if x.startswith(f"{column},"))
    start = int(line.split(",")[2])
    with (folder / "00000.smoosh").open("r+b") as chunk:
        chunk.seek(start)
        at = chunk.read(400).index(b"]}") + 2 + 4 + 10 + 14 + 4  # length, header of numbers, list of blocks, marker
        chunk.seek(start + at)
        chunk.write(b"\xff" * size)


# ---- what comes of it
def read_column(index: QueryableIndex, name: str) -> list[Any]:
    """All that can be asked of a column; its values by row."""
    column = index.column(name)
    if isinstance(column, NumericColumn):
        values, nulls = column.values(0, index.num_rows), column.nulls(0, index.num_rows)
        return [values.tobytes(), None if nulls is None else nulls.tobytes()]
    if isinstance(column, StringColumn):
        return read_strings(index, column)
    if isinstance(column, ObjectColumn):
        return [repr(column.objects(0, index.num_rows).tolist())]
    return []


def read_strings(index: QueryableIndex, column: StringColumn) -> list[Any]:
    for code in range(0, column.cardinality, max(1, column.cardinality // 20)):
        column.bitmap(code)
        column.index_of(column.lookup(code))
    values = column.values_list()
    column.dictionary_array()
    if column.has_multiple_values:
        offsets, codes = column.offsets_codes(0, index.num_rows)
        return [values, offsets.tobytes(), codes.tobytes()]
    return [values, column.codes(0, index.num_rows).tobytes()]


def read_segment(folder: Path, column: str | None) -> dict[str, list[Any]]:
    """Open, check, and read a column, or all; raises what a reader or a query raises."""
    index = QueryableIndex.open(folder, DecodedColumnCache())
    try:
        index.check()
        names = index.column_names if column is None or column not in index.column_names else [column]
        found = {name: read_column(index, name) for name in names}
        run_queries(index, names)
        return found
    finally:
        index.close()


@define
class Report:
    """What came out of the cases."""

    outcomes: Counter[str] = field(factory=Counter)
    findings: dict[str, str] = field(factory=dict)
    silent: Counter[str] = field(factory=Counter)

    def finding(self, key: str, text: str) -> None:
        self.outcomes["FINDING"] += 1
        if key not in self.findings:
            self.findings[key] = text
            print(f"--- {text}", flush=True)


def judge(victim: Victim, damage: Damage, whole: dict[str, list[Any]], report: Report) -> None:
    """Run one case."""
    victim.apply(damage)
    began, memory = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    case = f"{victim.name}: {damage.what}"
    try:
        found = read_segment(victim.folder, damage.column)
        same = all(found[name] == whole.get(name) for name in found)
        report.outcomes["as before" if same else "other values"] += 1
        if not same:
            report.silent[damage.what.split("+")[0].split(".__")[-1].split(" ")[0]] += 1
    except DruidException as failure:
        if CORRUPT.match(failure.message):
            report.outcomes["corrupt"] += 1
        else:
            report.finding(f"other error {failure.message[:40]}", f"{case}: {failure.category}: {failure.message}")
    except Exception as failure:  # noqa: BLE001 - that is what is looked for
        frame = traceback.extract_tb(failure.__traceback__)[-1]
        report.finding(f"{type(failure).__name__} {frame.filename}:{frame.lineno}", f"{case}\n{traceback.format_exc()}")
    finally:
        victim.undo(damage)
    if (took := time.thread_time() - began) > SLOW_S:
        report.finding(f"slow {damage.what.split('+')[0]}", f"{case}: took {took:.1f} s")
    if (grown := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) > MUCH_MEMORY_KB:
        report.finding(f"memory {damage.what.split('+')[0]}", f"{case}: {grown // 1024} MiB more")


def victims(root: Path, sources: Sequence[str] = ()) -> list[Victim]:
    """The smallest segment of each golden data source, or of those named."""
    folders = [GOLDEN / name for name in sources] or sorted(GOLDEN.iterdir())
    return [
        Victim.of(min(folder.glob("*/*/index.zip"), key=lambda path: path.stat().st_size), root) for folder in folders
    ]


def run(
    seconds: float,
    seed: int,
    everything: bool = False,
    verbose: bool = False,
    cases: int | None = None,
    sources: Sequence[str] = (),
) -> Report:
    """Damage and read until the time is up, or so many cases are done."""
    dice, report = random.Random(seed), Report()
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="nemeton-fuzz-") as root:
        chosen = victims(Path(root), sources)
        whole = {victim.name: read_segment(victim.folder, None) for victim in chosen}
        lists = {v.name: dice.sample(damages := every_damage(v), len(damages)) if everything else [] for v in chosen}
        while time.monotonic() < end and sum(report.outcomes.values()) != cases:
            victim = dice.choice(chosen)
            remaining = lists[victim.name]
            damage = remaining.pop()() if remaining else random_damage(victim, dice)
            if verbose:
                print(victim.name, damage.what, flush=True)
            judge(victim, damage, whole[victim.name], report)
    return report


def main() -> int:
    faulthandler.enable()
    logging.getLogger("nemeton").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument(
        "--every", action="store_true", help="go through all values of all first bytes, in random order"
    )
    parser.add_argument("--sources", nargs="*", default=(), help="golden data sources; all of them without it")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    report = run(options.seconds, options.seed, options.every, options.verbose, sources=options.sources)
    print(f"seed {options.seed}: {sum(report.outcomes.values())} cases")
    for outcome, count in report.outcomes.most_common():
        print(f"{count:8} {outcome}")
    print("other values, by file:", ", ".join(f"{name} {count}" for name, count in report.silent.most_common(25)))
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
