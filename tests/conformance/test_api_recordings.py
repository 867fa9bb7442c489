"""Requests that scripts of Druid's operators make, against the answers that Druid 33 gave to them.

The recordings are replayed in their order on a cluster in the same state (the same segments, the same tasks); each
answer must have the same status, content type and JSON shape, and the same texts apart from times, ids and ports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from tests.conformance.recorded_cluster import RecordedCluster
from tests.conformance.recordings import Answer, Recording, load

FILES = (
    "status-and-discovery",
    "coordinator",
    "coordinator-more",
    "broker-router-historical",
    "mark-used-unused",
    "mark-used-accept-header",
    "overlord-tasks",
    "task-live-reports",
)
#: Not asked; patterns of recordings' ids or of requests.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "MiddleManagers": (r"\w+ middleManager2? .*", r"POST \S+ /druid/indexer/v1/worker/localhost:28092/.*"),
    "compaction": (r"\w+ \S+ /druid/coordinator/v1/(config/)?compaction.*",),
    "lookups, which have recordings of their own": (r"\w+ \S+ /druid/coordinator/v1/lookups.*",),
    "moments before the peon is up, which are too short here": (
        r"overlord-tasks-[457]",
        r"task-live-reports-[01]",
    ),
}
#: Answered otherwise, and meant to be.
DIFFERS: dict[str, tuple[str, ...]] = {
    "Druid 33 finds no node by the name of its role; its documentation says that it does": ("status-and-discovery-40",),
    "Jetty's page for a missing page": ("status-and-discovery-43",),
    "intervals that do not parse are the caller's fault: 400 and why, not 500": (
        "coordinator-(41|47)",
        "overlord-tasks-48",
    ),
    "a setting out of its range is the caller's fault: 400 and why, not 500": ("coordinator-101",),
    "a path that is not there has no content type": ("coordinator-78",),
    "JSON says that it is JSON": ("broker-router-historical-13",),
    "malformed JSON is answered with JSON, not with Jetty's page": ("overlord-tasks-14",),
    "a task without live reports has none: 404, not 500": ("overlord-tasks-(35|96)",),
}
#: Held against another recording: Druid 33 changes these segments and then fails for want of an `Accept` header.
INSTEAD: dict[str, str] = {
    f"mark-used-unused-{index}": "mark-used-unused-2"
    for index in (0, 1, 3, 5, 6, 11, 15, 17, 19, 20, 22, 24, 25, 30, 34)
} | {f"mark-used-accept-header-{index}": "mark-used-unused-2" for index in (1, 3, 4, 5)}
INSTEAD["mark-used-unused-32"] = "mark-used-unused-31"
#: Values that hang on the machine or on what else the cluster has been through: patterns of paths within the answer.
RELAXED: dict[str, tuple[str, ...]] = {
    r"\$\.(nemetonVersion|modules)": ("status-and-discovery-.*",),
    r"\$\.(middleManager|(coordinator|overlord)\[\]\.service)": ("status-and-discovery-(38|39)",),
    r"\$\.dutyGroups\[\]\.(name|period|dutyNames.*)": ("coordinator-9",),
    r"\$\[\]\.segments\[\]\.(loadSpec|dimensions|binaryVersion|identifier).*": (
        "coordinator-23",
    ),  # were realtime ones
    r"\$\[\]\.payload\[\]\.period": ("coordinator-more-10",),  # of a rule without a period: none at all here
    # fewer servers and tasks
    r"\$#": (
        "coordinator-(6|7|48|49|50)",
        "broker-router-historical-15",
        "overlord-tasks-(11|3[789]|4[569]|50|55|71)",
    ),
    # the segments of `events` were with its tasks, too
    r"\$.*(\[\]|\.(size|replicatedSize|currSize|count|segmentCount|partitionNum))": (
        "coordinator-(4|22|23|4[234]|50|59)",
    ),
    r"\$\[\]\.c": ("broker-router-historical-12",),
    r"\$\.(segmentStateChanged|numChangedSegments)": tuple(INSTEAD),
    r"\$\.error": ("coordinator-(87|88|90|99)", "overlord-tasks-(12|13|16|17|19|21)"),
    r"\$\.status\.(runnerStatusCode|location\.(host|port))": ("overlord-tasks-(3|87)",),
    r"\$\[\]\.(id|groupId|type|dataSource|errorMsg|location\.host|(s|runnerS)tatusCode|status|queueInsertionTime)": (
        "overlord-tasks-.*",
    ),
    r"\$\[\]\.(currCapacityUsedByTaskType|availabilityGroups|runningTasks|lastCompletedTaskTime|worker\.version)": (
        "overlord-tasks-(55|71)",
        "broker-router-historical-15",
    ),
    r"\$": ("overlord-tasks-(32|33|34|95|98)", "task-live-reports-(2|5)"),
    # what Druid's tasks in several processes report in another way; tests/unit/indexing/batch has the rest
    r"\$\.taskContext|\$\..*\.(unparseableEvents|rowStats\.\w+|segmentsPublished|recordsProcessed|ingestionState)": (
        "task-live-reports-(3|4)",
    ),
    r"\$\..*\.(errorMsg|input|details\[\])": ("task-live-reports-(6|7)",),
}

RANGE_TASK = "index_parallel_wiki_range_fdcfkamk_2026-11-20T09:27:42.724Z"
LIVE_TASK = "index_parallel_wiki_live_ohjnmafn_2026-11-20T09:48:27.338Z"
FAILING_TASK = "index_parallel_wiki_fail_copomhhp_2026-11-20T09:50:58.299Z"

pytestmark = pytest.mark.xdist_group("api-recordings")  # one cluster for all of them

RECORDINGS = [recording for file in FILES for recording in load(file) if "broken" not in recording.entry]
BY_ID = {recording.id: recording for recording in RECORDINGS}


def _reason(table: dict[str, tuple[str, ...]], recording: Recording) -> str | None:
    names = (recording.id, recording.request)
    return next(
        (reason for reason, patterns in table.items() if any(re.fullmatch(p, n) for p in patterns for n in names)), None
    )


def _segments(cluster: RecordedCluster) -> None:
    cluster.insert([segment for source in load("coordinator")[12].entry["json"] for segment in source["segments"]])


def _hashed_segments(cluster: RecordedCluster) -> None:
    def hashed(day: int, partition: int) -> dict[str, object]:
        return {
            "dataSource": "wiki_hash",
            "interval": f"2024-01-0{day}T00:00:00.000Z/2024-01-0{day + 1}T00:00:00.000Z",
            "version": "2026-11-20T09:33:09.339Z",
            "dimensions": "page,user,n",
            "metrics": "",
            "shardSpec": {"type": "numbered", "partitionNum": partition, "partitions": 2},
            "binaryVersion": 9,
            "size": 20000,
        }

    cluster.insert([hashed(day, partition) for day in (1, 2) for partition in (0, 1)])


def _no_task(cluster: RecordedCluster) -> None:
    cluster.wait_for(lambda: all(task["duration"] >= 0 for task in cluster.get("/druid/indexer/v1/tasks")))


def _first_tasks(cluster: RecordedCluster) -> None:
    done = cluster.submit({"type": "noop", "dataSource": "zkdemo", "runTime": 1})
    cluster.wait_until(done, "SUCCESS")
    cluster.ingest(RANGE_TASK, "wiki_range", cluster.slow_input().source)
    cluster.wait_until_at_work(RANGE_TASK)


def _long_task(cluster: RecordedCluster) -> None:
    cluster.wait_until_at_work("noop_demo_long")
    for state in ("waiting", "pending"):
        cluster.wait_for(lambda state=state: not cluster.get(f"/druid/indexer/v1/tasks?state={state}"))


def _end_demo_task(cluster: RecordedCluster) -> None:
    cluster.post("/druid/indexer/v1/task/noop_demo_1/shutdown", None)
    cluster.wait_until("noop_demo_1", "FAILED")


def _live_task(cluster: RecordedCluster) -> None:
    cluster.ingest(LIVE_TASK, "wiki_live", cluster.slow_input().source)
    cluster.wait_until_at_work(LIVE_TASK)


def _end_live_task(cluster: RecordedCluster) -> None:
    cluster.release()
    cluster.wait_until(LIVE_TASK, "SUCCESS")


def _failing_task(cluster: RecordedCluster) -> None:
    line = '{"time":"2024-01-01T00:00:00Z","page":"p0"}'
    cluster.ingest(
        FAILING_TASK, "wiki_fail", {"type": "inline", "data": line}, maxParseExceptions=0, maxSavedParseExceptions=5
    )
    cluster.wait_until(FAILING_TASK, "FAILED")


#: What happens to the cluster before a request.
BEFORE: dict[str, Callable[[RecordedCluster], None]] = {
    "coordinator-0": _segments,
    "mark-used-unused-0": _hashed_segments,
    "mark-used-unused-17": _no_task,  # the kill task that was asked for would remove what is marked unused next
    "mark-used-unused-19": _no_task,
    "overlord-tasks-0": _first_tasks,
    "overlord-tasks-8": lambda cluster: cluster.wait_until_at_work("noop_demo_1"),
    "overlord-tasks-30": _long_task,
    "overlord-tasks-87": lambda cluster: cluster.wait_until("noop_demo_long", "FAILED"),
    "overlord-tasks-99": _end_demo_task,
    "task-live-reports-0": _live_task,
    "task-live-reports-3": lambda cluster: cluster.wait_for(lambda: cluster.reports(LIVE_TASK)),
    "task-live-reports-4": _end_live_task,
    "task-live-reports-6": _failing_task,
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answer]]:
    """Our answer to each recorded request; all are made, in order, before the first is looked at."""
    found: dict[str, Answer] = {}
    with RecordedCluster(tmp_path_factory.mktemp("recorded")) as cluster:
        for recording in RECORDINGS:
            if recording.id in BEFORE:
                BEFORE[recording.id](cluster)
            if _reason(LEFT_OUT, recording) is None:
                found[recording.id] = cluster.replay(recording)
        yield found


@pytest.mark.parametrize(
    "recording", [each for each in RECORDINGS if _reason(LEFT_OUT, each) is None], ids=lambda each: each.id
)
def test_is_answered_as_druid_does(recording: Recording, answers: dict[str, Answer]) -> None:
    relaxed = tuple(path for path, patterns in RELAXED.items() if any(re.fullmatch(p, recording.id) for p in patterns))
    difference = BY_ID[INSTEAD.get(recording.id, recording.id)].difference(answers[recording.id], relaxed)
    if reason := _reason(DIFFERS, recording):
        assert difference, f"is as Druid's now, take it out of the list: {reason}"
        return
    assert difference is None, f"{recording.request}\n{difference}"
