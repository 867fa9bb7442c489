"""The real Druid as a judge. Without Java, Maven or the jars its tests are skipped, or fail where that is required."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.servers.fixtures import running
from tests.servers.zookeeper import ZooKeeperServer

HERE = Path(__file__).parent
SCRIPT = HERE / "real_druid" / "real_druid.py"
REQUIRED = os.environ.get("NEMETON_REQUIRE_INTEROP", "") not in ("", "0")
_DEADLINE_S = 240


class RealDruid:
    """Runs tools of Apache Druid 33.0.0 through `real_druid.py`; `var` is a scratch folder for its files."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.home = Path(os.environ.get("REAL_DRUID_HOME", Path.home() / ".cache" / "real-druid"))

    def problem(self) -> str | None:
        """What is missing, None when the judge can work."""
        for tool in ("java", "javac", "mvn"):
            if shutil.which(tool) is None:
                return f"[{tool}] is not on the PATH"
        if not (self.home / "druid" / "lib" / ".complete").exists():
            return f"Druid's jars are not in [{self.home}]; run {SCRIPT.relative_to(HERE.parents[1])} install"
        return None

    def run(self, *words: str | Path) -> str:
        """Run a verb of the script; returns its standard output, fails the test when it fails."""
        command = [sys.executable, str(SCRIPT), "--home", str(self.home), "--var", str(self.var), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S, check=False)
        assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    @contextlib.contextmanager
    def servers(
        self, offset: int, zookeeper: str, *roles: str, properties: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Servers of these roles on Druid's ports plus the offset, until the end; they meet in this ZooKeeper."""
        where = ("--offset", str(offset))
        given = [word for name, value in (properties or {}).items() for word in ("--prop", f"{name}={value}")]
        try:
            self.run(*where, "--zk", zookeeper, *given, "up", *roles)
            yield
        finally:
            self.run(*where, "down", *roles)

    def dump_segment(self, folder: Path, *options: str) -> list[dict]:
        """Return the rows of an unpacked segment as the real Druid reads them."""
        out = self.var / "rows.json"
        out.unlink(missing_ok=True)
        self.run("dump-segment", folder, "--out", out, *options)
        return [json.loads(line) for line in out.read_text().splitlines()]

    def judge(self, *folders: Path) -> dict[Path, str]:
        """Load segments as a Historical does, eagerly; returns a text of all that can be read of each.

        Columns come as sections that start with ``COL name type …`` and hold hashes of values, dictionary, every bitmap
        and look-ups, so that two segments are the same to Druid when their sections are equal.
        """
        stage, out = self.var / "judged", self.var / "verdicts"
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        links = {}
        for number, folder in enumerate(folders):  # the judge names its answers by the last part of the path
            links[folder] = stage / f"s{number}"
            shutil.copytree(folder, links[folder])
        self.run("judge", out, *links.values())
        return {folder: (out / f"{link.name}.judge").read_text() for folder, link in links.items()}


def sections(verdict: str) -> dict[str, str]:
    """Split a verdict into its columns' sections."""
    assert verdict.rstrip().endswith("OK"), verdict[-2000:]
    found = {}
    for part in verdict.split("\nCOL ")[1:]:
        found[part.split(" ", 1)[0]] = part.removesuffix("\nOK\n").rstrip()
    return found


@pytest.fixture(scope="module")
def real_druid(tmp_path_factory) -> RealDruid:
    """For each module a folder of its own: a Historical announces what it finds in its cache of segments."""
    druid = RealDruid(tmp_path_factory.mktemp("real-druid"))
    problem = druid.problem()
    if problem is not None:
        message = f"THE REAL DRUID IS NOT HERE, so nothing is known about interoperability: {problem}"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    return druid


@pytest.fixture(scope="module")
def own_zookeeper(real_druid) -> Iterator[ZooKeeperServer]:
    """A ZooKeeper for one module, whose data servers are the only ones under Druid's usual path."""
    yield from running(ZooKeeperServer)


@pytest.fixture(scope="session")
def judged_sections():
    """The function that splits a verdict; test modules cannot import this file by name."""
    return sections
