"""The jars of servers that tests talk to: ``python tests/servers/jars.py`` fetches them once, through Maven."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent / "jars"
HOME = Path(os.environ.get("NEMETON_TEST_JARS", Path.home() / ".cache" / "nemeton-test-jars"))
PROFILES = ("s3proxy", "hdfs")


def folder(profile: str) -> Path:
    """Where the jars of a server are."""
    return HOME / profile


def missing(profile: str) -> str | None:
    """What is missing to run the server; None when all is there."""
    if shutil.which("java") is None:
        return "[java] is not on the PATH"
    if not (folder(profile) / ".complete").exists():
        return f"the jars of [{profile}] are not in [{HOME}]; run tests/servers/jars.py"
    return None


def install() -> None:
    """Fetch what is not there yet."""
    for profile in PROFILES:
        target = folder(profile)
        if (target / ".complete").exists():
            continue
        command = ["mvn", "-q", "-B", "-f", str(HERE / "pom.xml"), f"-P{profile}", "dependency:copy-dependencies"]
        subprocess.run([*command, "-DincludeScope=runtime", f"-DoutputDirectory={target}"], check=True)
        (target / ".complete").touch()


if __name__ == "__main__":
    sys.exit(install())
