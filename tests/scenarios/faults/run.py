"""Runs of faults: ``python -m tests.scenarios.faults.run KIND… --runs 20`` (`all` for all kinds).

Prints each run's seed and outcome, and adds it as a line of JSON to ``benchmarks/results/faults.jsonl``, from which
``--table`` makes the table in docs/operating/faults.md. A run is repeated with ``--seed`` and the same options; what
the seed does not fix is how long things take.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from pathlib import Path

from tests.scenarios.faults.kinds import KINDS
from tests.scenarios.faults.world import World

_ATTEMPTS = 3
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "faults.jsonl"


def run_kind(kind, options):
    """Run one kind; return how many runs failed. A failed run ends its cluster, whose folder is kept."""
    failed, seeds = 0, list(range(options.seed, options.seed + options.runs))
    while seeds:
        with contextlib.ExitStack() as stack:
            world = stack.enter_context(_started(kind, options))
            while seeds:
                if not run_once(world, kind, seeds.pop(0), options):
                    failed += 1
                    print(f"    its logs are in {world.folder}", flush=True)
                    break
    return failed


@contextlib.contextmanager
def _started(kind, options):
    """A world; made again when it does not start: other tests on the machine may have been faster at its ports."""
    for attempt in range(_ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=f"nemeton-{kind.name}-"))
        world = World(folder, runner=options.runner, discovery=options.discovery, needs=kind.needs)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(world)
            except AssertionError as error:
                print(f"    the cluster did not start: {error}"[:600], flush=True)
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            yield world
            return


def run_once(world, kind, seed, options):
    entry = {"kind": kind.name, "seed": seed, "runner": options.runner, "discovery": options.discovery}
    entry = recorded(entry, lambda: world.run(kind, seed), options.results)
    ends = [status.partition(":")[0] for status in entry["tasks"].values()]
    print(
        f"{kind.name} seed {seed} ({options.runner}, {options.discovery}): {entry['outcome'][:80]}; "
        f"{'; '.join(entry['notes'])}; {ends.count('SUCCESS')} succeeded, {ends.count('FAILED')} failed; "
        f"{entry.get('seconds')} s",
        flush=True,
    )
    return entry["outcome"] == "ok"


def recorded(entry, run, results):
    """Run it, add what came of it to the entry, and that to the results as a line of JSON; returns the entry."""
    try:
        entry |= {"outcome": "ok", **run()}
    except AssertionError as error:
        entry |= {"outcome": str(error)[:2000], "notes": [], "tasks": {}}
        traceback.print_exc()
    entry["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with results.open("a") as file:
        file.write(json.dumps(entry) + "\n")
    return entry


def table(results):
    """Runs by kind, as Markdown."""
    entries = [json.loads(line) for line in results.read_text().splitlines()]
    by_kind = defaultdict(list)
    for entry in entries:
        by_kind[entry["kind"], entry["runner"], entry["discovery"]].append(entry)
    yield "| fault | runner | discovery | runs | seeds | tasks: succeeded / failed | not as it should be |"
    yield "|---|---|---|---|---|---|---|"
    for (kind, runner, discovery), runs in sorted(by_kind.items()):
        ends = [status.partition(":")[0] for run in runs for status in run["tasks"].values()]
        seeds = sorted(run["seed"] for run in runs)
        bad = [str(run["seed"]) for run in runs if run["outcome"] != "ok"]
        yield (
            f"| {kind} | {runner} | {discovery} | {len(runs)} | {seeds[0]}–{seeds[-1]} | "
            f"{ends.count('SUCCESS')} / {ends.count('FAILED')} | {', '.join(bad) or '–'} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default="all", choices=[*KINDS, "all"], help="what shall happen")
    parser.add_argument("--runs", type=int, default=1, help="how often each")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="the first run's; +1 for the next")
    parser.add_argument("--runner", default="httpRemote", choices=["httpRemote", "remote"])
    parser.add_argument("--discovery", default="curator", choices=["curator", "metadata"])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the results so far")
    options = parser.parse_args()
    if options.table:
        print("\n".join(table(options.results)))
        return 0
    options.results.parent.mkdir(parents=True, exist_ok=True)
    wanted = list(KINDS) if "all" in options.kinds else options.kinds
    return min(1, sum(run_kind(KINDS[name], options) for name in wanted))


if __name__ == "__main__":
    sys.exit(main())
