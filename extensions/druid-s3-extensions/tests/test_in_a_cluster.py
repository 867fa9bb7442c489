"""A whole cluster whose input, segments and task logs are in S3."""

from __future__ import annotations

import urllib.request

from tests.scenarios.cluster import QuickstartProcess

from nemeton.spi.objects import ObjectLocation
from nemeton_s3.store import S3ObjectStore

ROWS = "".join(f'{{"ts":"2024-01-0{day}T00:00:00Z","page":"p{n}","n":{n}}}\n' for day in (1, 2) for n in range(50))
DATA_SOURCE = "/druid/coordinator/v1/datasources/pages"


def spec(bucket: str) -> dict:
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": "pages",
                "timestampSpec": {"column": "ts", "format": "iso"},
                "dimensionsSpec": {"dimensions": ["page", {"type": "long", "name": "n"}]},
                "granularitySpec": {"segmentGranularity": "DAY"},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "s3", "prefixes": [f"s3://{bucket}/in/"]},
                "inputFormat": {"type": "json"},
            },
        },
    }


def test_rows_go_from_s3_to_s3_and_are_killed_there(s3, bucket, clients, tmp_path):
    store = S3ObjectStore(lambda: clients.client)
    (tmp_path / "rows").write_text(ROWS)
    store.put(tmp_path / "rows", ObjectLocation(bucket, "in/rows.json"))
    options = {
        **s3.properties(),
        "druid.extensions.loadList": '["druid-s3-extensions"]',
        "druid.storage.type": "s3",
        "druid.storage.bucket": bucket,
        "druid.storage.baseKey": "segments",
        "druid.storage.disableAcl": "true",
        "druid.indexer.logs.type": "s3",
        "druid.indexer.logs.s3Bucket": bucket,
        "druid.indexer.logs.s3Prefix": "logs",
        "druid.indexer.logs.disableAcl": "true",
    }
    with QuickstartProcess(tmp_path / "c", *(part for k, v in options.items() for part in ("-D", f"{k}={v}"))) as c:
        task = c.submit(spec(bucket))
        c.wait_for(lambda: c.status(task)["status"] != "RUNNING")
        assert c.status(task)["status"] == "SUCCESS", c.status(task)
        c.wait_for(lambda: c.sql("SELECT COUNT(*) AS c, SUM(n) AS s FROM pages")[0] == {"c": 100, "s": 2450})

        stored = {info.location.key for info in store.list_objects(bucket, "")}
        assert sum(key.startswith("segments/pages/") and key.endswith("/index.zip") for key in stored) == 2
        assert {f"logs/{task}/log", f"logs/{task}/report.json"} <= stored
        with urllib.request.urlopen(f"{c.url}/druid/indexer/v1/task/{task}/log", timeout=30) as log:
            assert b"SUCCESS" in log.read()

        urllib.request.urlopen(urllib.request.Request(c.url + DATA_SOURCE, method="DELETE"), timeout=30).close()
        kill = c.submit({"type": "kill", "dataSource": "pages", "interval": "2024-01-01/2024-02-01"})
        c.wait_for(lambda: c.status(kill)["status"] == "SUCCESS")
        assert not list(store.list_objects(bucket, "segments/"))
