"""What a task of ours pushes, the real Druid reads: the same rows as from the segment that it wrote itself."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from tests.scenarios.cluster import QuickstartProcess

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SOURCES = ["flights", "flights_rollup_day", "mixed_csv", "mixed_lzf", "mixed_tsv"]
pytestmark = [pytest.mark.interop, pytest.mark.timeout(600), pytest.mark.xdist_group("java")]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with QuickstartProcess(tmp_path_factory.mktemp("ingested")) as running:
        yield running


def golden_spec(source):
    text = (GOLDEN / "specs" / f"{source}.1.json").read_text()
    return json.loads(text.replace("${DATA_DIR}", str(GOLDEN / "data")))


@pytest.mark.parametrize("source", SOURCES)
def test_druid_reads_our_ingestion_as_its_own(cluster, real_druid, tmp_path, source):
    task_id = cluster.submit(golden_spec(source))
    cluster.wait_for(lambda: cluster.status(task_id)["statusCode"] != "RUNNING", 120)
    assert cluster.status(task_id)["statusCode"] == "SUCCESS"
    theirs = sorted((GOLDEN / "segments" / source).glob("*/*/index.zip"))
    ours = sorted((cluster.folder / "data" / "segments" / source).glob("*/*/*/index"))
    assert [path.parts[-3] for path in theirs] == [path.parts[-4].replace(":", "") for path in ours]
    for number, (archive, folder) in enumerate(zip(theirs, ours, strict=True)):
        unpacked = tmp_path / str(number)
        with zipfile.ZipFile(archive) as files:
            files.extractall(unpacked)
        assert real_druid.dump_segment(folder) == real_druid.dump_segment(unpacked)
        shutil.rmtree(unpacked)
