"""Gives the real Druid a connector to PostgreSQL, where its own extension is not installed."""

import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "judge_postgresql" / "JudgePostgresqlModule.java"
_SERVICE = "META-INF/services/org.apache.druid.initialization.DruidModule"


def install(home: Path) -> None:
    """Compile the connector into the extension's folder of the judge at `home`, unless one is there."""
    folder = home / "druid" / "extensions" / "postgresql-metadata-storage"
    if any(folder.glob("*postgresql-metadata-storage*.jar")):
        return
    with tempfile.TemporaryDirectory() as scratch:
        classes = f"{home / 'druid' / 'lib'}/*:{folder}/*"
        subprocess.run(["javac", "-nowarn", "-cp", classes, "-d", scratch, str(SOURCE)], check=True)
        service = Path(scratch) / _SERVICE
        service.parent.mkdir(parents=True)
        service.write_text("nemeton.judge.JudgePostgresqlModule\n")
        jar = folder / "nemeton-postgresql-metadata-storage.jar"
        subprocess.run(["jar", "cf", str(jar), "-C", scratch, "."], check=True)
