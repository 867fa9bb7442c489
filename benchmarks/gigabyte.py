"""`python -m benchmarks.gigabyte`: a CSV of one gigabyte ingests in a peon whose memory stays below one GiB."""

from __future__ import annotations

import threading

import psutil

from benchmarks import lineitem
from benchmarks.sides import Nemeton, fresh, work_folder

SCALE = 1.38


def main() -> None:
    """Ingest, watch the peon, print what it took."""
    folder, rows = lineitem.make(work_folder() / "tpch", SCALE)
    size = (folder / "lineitem.csv").stat().st_size
    side = fresh(Nemeton, work_folder() / "gigabyte", 10_000)
    peak, ended = [0], threading.Event()

    def watch(root: psutil.Process) -> None:
        while not ended.wait(0.2):
            try:
                for process in root.children(recursive=True):
                    peak[0] = max(peak[0], process.memory_full_info().pss)
            except psutil.NoSuchProcess:
                continue

    with side.running():
        (root,) = side.roots()
        watcher = threading.Thread(target=watch, args=(root,))
        watcher.start()
        try:
            seconds = side.run_task(lineitem.task(folder, "lineitem"))
        finally:
            ended.set()
            watcher.join()
        side.wait_for_rows("lineitem", rows)
    throughput = f"{rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} a second"
    print(f"{size / 1e9:.2f} GB, {throughput}; peak {peak[0] / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
