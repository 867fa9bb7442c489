"""Bad input gets a clear answer that names the fault, and loses nothing; asked of a whole cluster over HTTP."""

import gzip
import http.server
import json
import shutil
import threading
import urllib.error
import urllib.request

import pytest
from tests.scenarios.cluster import QuickstartProcess


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with QuickstartProcess(tmp_path_factory.mktemp("bad")) as running:
        yield running


def call(cluster, path, body, content_type="application/json"):
    """Status and parsed answer of a POST, errors too."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(cluster.url + path, data, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        raw = error.read().decode()
        try:
            return error.code, json.loads(raw)
        except ValueError:
            return error.code, raw


def batch(source, input_source, input_format=None, *, format="iso", tuning=None, interval=None):  # noqa: A002
    granularity = {"segmentGranularity": "DAY", "queryGranularity": "NONE", "rollup": False}
    if interval:
        granularity["intervals"] = [interval]
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": source,
                "timestampSpec": {"column": "t", "format": format},
                "dimensionsSpec": {"dimensions": ["d", {"type": "long", "name": "n"}]},
                "metricsSpec": [],
                "granularitySpec": granularity,
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": input_source,
                "inputFormat": input_format or {"type": "csv", "columns": ["t", "d", "n"]},
            },
            "tuningConfig": {"type": "index_parallel", **(tuning or {})},
        },
    }


def inline(*lines):
    return {"type": "inline", "data": "\n".join(lines)}


def local(folder, name):
    return {"type": "local", "baseDir": str(folder), "filter": name}


def outcome(cluster, task):
    task_id = cluster.submit(task)
    cluster.wait_for(lambda: cluster.status(task_id)["statusCode"] != "RUNNING", 60)
    return cluster.status(task_id)


def reason(cluster, status):
    """The whole error: a status holds its first hundred characters, as in Druid."""
    return payload(cluster, status["id"])["errorMsg"]


def payload(cluster, task_id):
    return cluster.get(f"/druid/indexer/v1/task/{task_id}/reports")["ingestionStatsAndErrors"]["payload"]


class TestTaskApi:
    def test_malformed_json(self, cluster):
        status, answer = call(cluster, "/druid/indexer/v1/task", b"{not json")
        assert status == 500
        assert "JSON" in json.dumps(answer)

    def test_wrong_content_type(self, cluster):
        assert call(cluster, "/druid/indexer/v1/task", b"x", "text/csv")[0] == 415

    def test_unknown_task_type_names_the_known_ones(self, cluster):
        status, answer = call(cluster, "/druid/indexer/v1/task", {"type": "bogus"})
        assert status == 400
        assert "bogus" in answer["error"]
        assert "index_parallel" in answer["error"]

    def test_missing_type(self, cluster):
        status, answer = call(cluster, "/druid/indexer/v1/task", {})
        assert status == 400
        assert "type" in answer["error"]

    def test_unknown_type_inside_a_spec(self, cluster):
        status, answer = call(cluster, "/druid/indexer/v1/task", batch("x", {"type": "carrier-pigeon"}))
        assert status == 400
        assert "carrier-pigeon" in answer["error"]
        assert "inline" in answer["error"]

    def test_missing_parts_are_named(self, cluster):
        spec = {"type": "index_parallel", "spec": {"dataSchema": {"dataSource": "x"}}}
        status, answer = call(cluster, "/druid/indexer/v1/task", spec)
        assert status == 400
        assert "ioConfig" in answer["error"] or "timestampSpec" in answer["error"]

    def test_a_value_of_the_wrong_kind(self, cluster):
        status, answer = call(cluster, "/druid/indexer/v1/task", {"type": "noop", "runTime": "abc"})
        assert status == 400
        assert "abc" in answer["error"]

    def test_an_id_with_a_slash(self, cluster):
        status, answer = call(cluster, "/druid/indexer/v1/task", {"type": "noop", "id": "bad/id"})
        assert status == 400
        assert "bad/id" in answer["error"]

    def test_an_id_submitted_twice(self, cluster):
        cluster.submit({"type": "noop", "id": "twice", "runTime": 1})
        status, answer = call(cluster, "/druid/indexer/v1/task", {"type": "noop", "id": "twice", "runTime": 1})
        assert status == 400
        assert answer == {
            "error": "druidException",
            "errorCode": "entryAlreadyExists",
            "persona": "USER",
            "category": "INVALID_INPUT",
            "errorMessage": "Task[twice] already exists",
            "context": {},
        }

    def test_unknown_fields_are_ignored(self, cluster):
        assert outcome(cluster, {"type": "noop", "runTime": 1, "unknownField": 1})["statusCode"] == "SUCCESS"

    def test_an_unknown_task_is_not_found(self, cluster):
        with pytest.raises(urllib.error.HTTPError) as raised:
            cluster.get("/druid/indexer/v1/task/nosuch/status")
        assert raised.value.code == 404
        assert raised.value.read() == b"Cannot find any task with id: [nosuch]"


class TestFiles:
    def test_missing(self, cluster, tmp_path):
        missing = {"type": "local", "files": [str(tmp_path / "nothing.csv")]}
        status = outcome(cluster, batch("bad", missing))
        assert status["statusCode"] == "FAILED"
        assert "nothing.csv" in reason(cluster, status)

    def test_a_filter_that_matches_nothing(self, cluster, tmp_path):
        """Druid warns that there is no input split, and succeeds."""
        status = outcome(cluster, batch("nothing", local(tmp_path, "*.csv")))
        assert status["statusCode"] == "SUCCESS"

    def test_empty(self, cluster, tmp_path):
        (tmp_path / "empty.csv").write_text("")
        status = outcome(cluster, batch("empty_file", local(tmp_path, "empty.csv")))
        assert status["statusCode"] == "SUCCESS", status
        assert payload(cluster, status["id"])["rowStats"]["buildSegments"]["processed"] == 0

    def test_truncated_gzip(self, cluster, tmp_path):
        whole = gzip.compress(b"2020-01-01T00:00:00Z,a,1\n" * 50_000)
        (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
        status = outcome(cluster, batch("bad", local(tmp_path, "cut.csv.gz")))
        assert status["statusCode"] == "FAILED"
        assert "cut.csv.gz" in reason(cluster, status)

    def test_not_the_format_that_it_says(self, cluster, tmp_path):
        (tmp_path / "really.json").write_bytes(bytes(range(256)) * 100)
        task = batch("bad", local(tmp_path, "really.json"), {"type": "json"}, tuning={"maxParseExceptions": 0})
        status = outcome(cluster, task)
        assert status["statusCode"] == "FAILED"
        assert "really.json" in reason(cluster, status) or "parse" in reason(cluster, status).lower()


class TestRows:
    def test_timestamps_that_do_not_parse_are_counted_and_sampled(self, cluster):
        lines = ["2020-01-01T00:00:00Z,a,1", "yesterday,b,2", "2020-01-01T00:00:01Z,c,3"]
        task = batch("rows", inline(*lines), tuning={"maxParseExceptions": 5, "maxSavedParseExceptions": 5})
        status = outcome(cluster, task)
        assert status["statusCode"] == "SUCCESS"
        report = payload(cluster, status["id"])
        counts = report["rowStats"]["buildSegments"]
        assert (counts["processed"], counts["unparseable"]) == (2, 1)
        (sample,) = report["unparseableEvents"]["buildSegments"]
        assert "yesterday" in sample["input"]
        assert "yesterday" in " ".join(sample["details"])

    def test_too_many_of_them_fail_the_task(self, cluster):
        task = batch("rows", inline("yesterday,b,2", "tomorrow,c,3"), tuning={"maxParseExceptions": 1})
        status = outcome(cluster, task)
        assert status["statusCode"] == "FAILED"
        assert "parse" in reason(cluster, status).lower()


class TestHttpInput:
    def test_a_protocol_that_is_not_allowed(self, cluster):
        status, answer = call(
            cluster, "/druid/indexer/v1/task", batch("x", {"type": "http", "uris": ["ftp://example.org/x.csv"]})
        )
        text = json.dumps(answer)
        if status == 200:
            task_id = answer["task"]
            cluster.wait_for(lambda: cluster.status(task_id)["statusCode"] != "RUNNING")
            text = cluster.status(task_id)["errorMsg"]
        assert "Only [http, https] protocols are allowed" in text

    def test_a_server_that_says_not_found(self, cluster, tmp_path):
        handler = type(
            "Quiet",
            (http.server.SimpleHTTPRequestHandler,),
            {
                "log_message": lambda *_: None,
                "__init__": lambda self, *a: http.server.SimpleHTTPRequestHandler.__init__(
                    self, *a, directory=str(tmp_path)
                ),
            },
        )
        (tmp_path / "here.csv").write_text("2020-01-01T00:00:00Z,a,1\n")
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            base = f"http://127.0.0.1:{server.server_address[1]}"
            missing = outcome(cluster, batch("bad", {"type": "http", "uris": [f"{base}/gone.csv"]}))
            found = outcome(cluster, batch("fetched", {"type": "http", "uris": [f"{base}/here.csv"]}))
            server.shutdown()
        assert missing["statusCode"] == "FAILED"
        assert "gone.csv" in reason(cluster, missing)
        assert found["statusCode"] == "SUCCESS", found


class TestSql:
    @pytest.mark.parametrize(
        ("query", "named"),
        [
            ("SELEC 1", "SELEC"),
            ("SELECT * FROM nowhere", "nowhere"),
            ("SELECT nothing FROM INFORMATION_SCHEMA.TABLES", "nothing"),
            ("SELECT NO_SUCH_FUNCTION(1)", "NO_SUCH_FUNCTION"),
        ],
    )
    def test_what_does_not_parse_or_is_unknown(self, cluster, query, named):
        status, answer = call(cluster, "/druid/v2/sql", {"query": query})
        assert status == 400
        assert answer["error"] == "druidException"
        assert answer["category"] == "INVALID_INPUT"
        assert named.lower() in answer["errorMessage"].lower()

    def test_malformed_json(self, cluster):
        status, _ = call(cluster, "/druid/v2/sql", b"{")
        assert status in (400, 500)

    def test_a_native_query_of_unknown_type(self, cluster):
        status, answer = call(cluster, "/druid/v2", {"queryType": "guess", "dataSource": "x"})
        assert status == 400
        assert "guess" in json.dumps(answer)


def test_a_second_task_for_a_locked_interval_waits_and_then_runs(cluster):
    interval = "2021-05-05/2021-05-06"
    lines = [f"2021-05-05T00:00:{n % 60:02d}Z,a,{n}" for n in range(200_000)]
    first = cluster.submit(batch("locked", inline(*lines), interval=interval))
    second = cluster.submit(batch("locked", inline("2021-05-05T00:00:00Z,b,1"), interval=interval))
    cluster.wait_for(lambda: cluster.status(second)["statusCode"] != "RUNNING", 120)
    assert cluster.status(first)["statusCode"] == "SUCCESS"
    assert cluster.status(second)["statusCode"] == "SUCCESS"
    cluster.wait_for(lambda: cluster.sql("SELECT d, COUNT(*) AS c FROM locked GROUP BY d") == [{"d": "b", "c": 1}])


def test_a_full_disk_fails_the_task_and_not_the_cluster(tmp_path):
    """Tasks work on a file system of 4 MiB; mounting one needs a namespace of our own, which root can make."""
    import subprocess

    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.decode()}")
    try:
        with QuickstartProcess(tmp_path / "c", "-D", f"druid.indexer.task.baseTaskDir={small}") as cluster:
            lines = [f"2021-05-05T00:00:{n % 60:02d}Z,{n:x}-{n * 7919:x},{n}" for n in range(100_000)]
            (tmp_path / "big.csv").write_text("\n".join(lines * 4))
            status = outcome(cluster, batch("big", local(tmp_path, "big.csv")))
            assert status["statusCode"] == "FAILED"
            assert "space" in reason(cluster, status).lower()
            assert outcome(cluster, {"type": "noop", "runTime": 1})["statusCode"] == "SUCCESS"
            assert shutil.disk_usage(small).used < 1 << 20
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
