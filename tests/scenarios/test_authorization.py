"""A whole cluster with the extension of docs/extensions/security.md: each sees what they may, and peons work."""

import base64
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.scenarios.cluster import QuickstartProcess

PAGE = (Path(__file__).parents[2] / "docs" / "extensions" / "security.md").read_text()
ROWS = {"wiki": 3, "secret": 2}
PASSWORDS = {"admin": "a", "analyst": "b", "observer": "c", "cluster": "d"}
FORBIDDEN = {"Access-Check-Result": "Unauthorized"}
NO_SERVERS = {"Access-Check-Result": "Insufficient permission to view servers: Unauthorized"}
DATASOURCES = "/druid/coordinator/v1/datasources"
METADATA = "/druid/coordinator/v1/metadata"
TASKS = "/druid/indexer/v1/tasks"


def block(language):
    """The one code block of the page in that language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return text


def install(site):
    """Make the page's extension a distribution that is found with `site` on the path."""
    info = site / "acme_auth-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_auth.py").write_text(block("python"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-auth\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nemeton.extensions]\nacme-auth = acme_auth\n")


def credentials(user, password=None):
    given = f"{user}:{PASSWORDS[user] if password is None else password}"
    return {"Authorization": f"Basic {base64.b64encode(given.encode()).decode()}"}


def inline_task(data_source):
    lines = "\n".join(
        json.dumps({"time": f"2024-01-01T0{n}:00:00Z", "page": f"p{n}"}) for n in range(ROWS[data_source])
    )
    return {
        "type": "index_parallel",
        "spec": {
            "dataSchema": {
                "dataSource": data_source,
                "timestampSpec": {"column": "time", "format": "iso"},
                "dimensionsSpec": {"dimensions": ["page"]},
                "granularitySpec": {"segmentGranularity": "DAY", "rollup": False},
            },
            "ioConfig": {
                "type": "index_parallel",
                "inputSource": {"type": "inline", "data": lines},
                "inputFormat": {"type": "json"},
            },
            "tuningConfig": {"type": "index_parallel"},
        },
    }


class Caller:
    """One user, at the Router and at the other roles."""

    def __init__(self, cluster, headers):
        self.cluster = cluster
        self.headers = headers

    def ask(self, path, body=None, *, port=0):
        """Status and JSON of a GET, or of a POST of the body; `port` is that of a role in Druid's defaults."""
        url = f"http://localhost:{self.cluster.port + (port - 8888 if port else 0)}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json", **self.headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or b"null")

    def sql(self, query):
        return self.ask("/druid/v2/sql", {"query": query, "resultFormat": "array"})

    def count(self, *data_sources, port=0):
        """A native count over the union of the data sources."""
        query = {
            "queryType": "timeseries",
            "dataSource": {"type": "union", "dataSources": data_sources},
            "intervals": ["2024-01-01/P1D"],
            "granularity": "all",
            "aggregations": [{"type": "count", "name": "n"}],
        }
        status, answer = self.ask("/druid/v2", query, port=port)
        return status, answer[0]["result"]["n"] if status == 200 else answer


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    install(folder / "site")
    options = [text for line in block("properties").splitlines() for text in ("-D", line)]
    running = QuickstartProcess(
        folder, *options, env={"PYTHONPATH": str(folder / "site")}, headers=credentials("admin")
    )
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def tasks(cluster):
    """Data source → id of the task with which the admin ingested it; peons are let in, or the tasks would fail."""
    submitted = {name: cluster.submit(inline_task(name)) for name in ROWS}
    for task_id in submitted.values():
        status = cluster.wait_for(lambda task_id=task_id: _ended(cluster.status(task_id)))
        assert status["status"] == "SUCCESS", status
    for name, rows in ROWS.items():
        cluster.wait_for(lambda name=name, rows=rows: cluster.sql(f"SELECT COUNT(*) AS n FROM {name}") == [{"n": rows}])
    return submitted


def _ended(status):
    return status if status["status"] in ("SUCCESS", "FAILED") else None


@pytest.fixture(scope="module")
def admin(cluster, tasks):
    return Caller(cluster, credentials("admin"))


@pytest.fixture(scope="module")
def analyst(cluster, tasks):
    """May read `wiki`, and nothing else."""
    return Caller(cluster, credentials("analyst"))


@pytest.fixture(scope="module")
def observer(cluster, tasks):
    """May read the cluster's state, and no data."""
    return Caller(cluster, credentials("observer"))


def test_the_admin_sees_everything(admin):
    assert admin.count("wiki", "secret") == (200, 5)
    assert admin.ask(DATASOURCES) == (200, ["secret", "wiki"])
    assert admin.sql("SELECT DISTINCT datasource FROM sys.tasks ORDER BY 1") == (200, [["secret"], ["wiki"]])
    status, servers = admin.sql("SELECT server_type FROM sys.servers")
    assert status == 200
    assert ["historical"] in servers


def test_one_data_source_is_read(analyst):
    assert analyst.sql("SELECT COUNT(*) FROM wiki") == (200, [[3]])
    assert analyst.count("wiki") == (200, 3)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM secret",
        "EXPLAIN PLAN FOR SELECT COUNT(*) FROM secret",
        "SELECT COUNT(*) FROM (SELECT page FROM secret)",
        "WITH s AS (SELECT page FROM secret) SELECT * FROM s",
        "SELECT page FROM wiki UNION ALL SELECT page FROM secret",
        "SELECT page FROM wiki WHERE page IN (SELECT page FROM secret)",
        "SELECT page, (SELECT COUNT(*) FROM secret) FROM wiki",
        "EXPLAIN PLAN FOR SELECT page FROM wiki WHERE page IN (SELECT page FROM secret)",
        "SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME IN (SELECT page FROM secret)",
    ],
)
def test_the_other_is_not_read_in_any_way_by_sql(analyst, query):
    assert analyst.sql(query) == (403, FORBIDDEN)


@pytest.mark.parametrize("port", [8888, 8082, 8083])
def test_the_other_is_not_read_by_native_queries(analyst, port):
    assert analyst.count("secret", port=port) == (403, FORBIDDEN)
    assert analyst.count("wiki", "secret", port=port) == (403, FORBIDDEN)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'druid'", [["wiki"]]),
        ("SELECT DISTINCT TABLE_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'druid'", [["wiki"]]),
        ("SELECT datasource FROM sys.segments", [["wiki"]]),
        ("SELECT datasource FROM sys.tasks", [["wiki"]]),
        ("SELECT COUNT(*) FROM (SELECT DISTINCT datasource FROM sys.segments)", [[1]]),
    ],
)
def test_the_other_is_not_heard_of_in_system_tables(analyst, query, rows):
    assert analyst.sql(query) == (200, rows)


def test_servers_are_part_of_the_state(analyst, observer):
    for table in ("servers", "server_segments"):
        assert analyst.sql(f"SELECT * FROM sys.{table}") == (403, NO_SERVERS)
        assert analyst.sql(f"SELECT COUNT(*) FROM sys.{table}") == (403, NO_SERVERS)
    status, servers = observer.sql("SELECT server_type FROM sys.servers")
    assert status == 200
    assert ["broker"] in servers
    assert observer.sql("SELECT COUNT(*) FROM sys.server_segments") == (200, [[0]])
    assert observer.sql("SELECT COUNT(*) FROM wiki") == (403, FORBIDDEN)


def test_lists_are_of_what_may_be_read(analyst, observer, tasks):
    for path in ("/druid/v2/datasources", DATASOURCES, f"{METADATA}/datasources"):
        assert analyst.ask(path) == (200, ["wiki"])
        assert observer.ask(path) == (200, [])
    assert {each["dataSource"] for each in analyst.ask(f"{METADATA}/segments")[1]} == {"wiki"}
    (by_source,) = analyst.ask("/druid/coordinator/v1/intervals")[1].values()
    assert list(by_source) == ["wiki"]
    assert [each["id"] for each in analyst.ask(TASKS)[1]] == [tasks["wiki"]]
    assert [each["id"] for each in analyst.ask(f"{TASKS}?datasource=wiki")[1]] == [tasks["wiki"]]


def test_what_is_not_for_the_analyst(analyst, tasks):
    paths = [
        f"{TASKS}?datasource=secret",
        f"{DATASOURCES}/secret",
        f"{METADATA}/datasources/secret/segments",
        "/druid/coordinator/v1/servers",
        "/druid/coordinator/v1/rules",
        "/druid/coordinator/v1/rules/secret",
        "/druid/coordinator/v1/config",
        "/druid/indexer/v1/workers",
        *(f"/druid/indexer/v1/task/{tasks['secret']}{rest}" for rest in ("", "/status", "/reports")),
        "/status/properties",
    ]
    assert {path: analyst.ask(path) for path in paths} == dict.fromkeys(paths, (403, FORBIDDEN))


def test_reading_is_not_writing(analyst, tasks):
    assert analyst.ask("/druid/indexer/v1/task", inline_task("wiki")) == (403, FORBIDDEN)
    assert analyst.ask(f"/druid/indexer/v1/task/{tasks['wiki']}/shutdown", {}) == (403, FORBIDDEN)
    assert analyst.ask(f"{DATASOURCES}/wiki/markUnused", {"interval": "2024/2025"}) == (403, FORBIDDEN)
    assert analyst.ask(f"/druid/indexer/v1/task/{tasks['wiki']}/status")[0] == 200


def test_nobody_is_let_in_without_credentials(cluster):
    nobody = Caller(cluster, {})
    for port in (8888, 8081, 8082, 8083, 8090):
        assert nobody.ask("/status", port=port)[0] == 401
        assert nobody.ask("/status/health", port=port) == (200, True)
    assert nobody.sql("SELECT 1")[0] == 401
    assert nobody.ask("/druid-internal/v1/segments?counter=-1&hash=0&timeout=1", port=8083)[0] == 401
    assert nobody.ask("/druid/indexer/v1/action", {}, port=8090)[0] == 401
    assert Caller(cluster, credentials("admin", "wrong")).sql("SELECT 1")[0] == 401


def test_no_password_is_shown(admin):
    status, properties = admin.ask("/status/properties")
    assert status == 200
    assert properties["druid.auth.authenticator.acmeBasic.passwords"] == "<masked>"
    assert properties["druid.escalator.password"] == "<masked>"
