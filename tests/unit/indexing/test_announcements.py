"""What workers tell of tasks is read the same way, whichever form it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.indexing.announcements import TaskAnnouncement, TaskUpdate, WorkerHistoryItem, without_overtaken
from nemeton.json import Json
from nemeton.model import TaskLocation, TaskState, TaskStatus
from nemeton.spi.indexing import TaskResource

JSON = Json()
texts = st.text(max_size=8)
ports = st.integers(-1, 65535)
locations = st.builds(TaskLocation, st.none() | texts, ports, ports)
statuses = st.builds(
    TaskStatus, texts.filter(bool), st.sampled_from(TaskState), st.integers(-1, 10**12), st.none() | texts, locations
)
resources = st.builds(lambda group, size: TaskResource(availability_group=group, required_capacity=size), texts, ports)


@given(statuses, resources, locations, st.none() | texts, st.none() | texts, st.booleans())
def test_the_usual_form_and_any_other_mean_the_same(status, resource, location, task_type, source, unusual):
    sent = {
        "id": status.id,
        "type": task_type,
        "status": status.status.value,
        "taskStatus": JSON.unstructure(status) | ({"someday": 1} if unusual else {}),
        "taskResource": JSON.unstructure(resource) | ({"someday": 1} if unusual else {}),
        "taskLocation": JSON.unstructure(location) | ({"someday": 1} if unusual else {}),
        "taskDataSource": source,
    }
    read = JSON.structure({"type": "taskUpdate", "taskAnnouncement": sent}, WorkerHistoryItem)
    assert read == TaskUpdate(
        TaskAnnouncement(
            id=status.id,
            type=task_type,
            status=status.status,
            task_status=status,
            task_resource=resource,
            task_location=location,
            task_data_source=source,
        )
    )


@pytest.mark.parametrize(
    "broken",
    [
        {"taskStatus": {"id": "t", "status": "WALKING", "duration": 1, "errorMsg": None, "location": None}},
        {"taskStatus": {"id": "t", "status": [], "duration": 1, "errorMsg": None, "location": None}},
        {"taskStatus": {"id": "t", "status": "RUNNING", "duration": "x", "errorMsg": None, "location": None}},
        {"id": "t", "taskLocation": {"host": "h", "port": "x", "tlsPort": -1}},
        {"id": "t", "taskResource": {"availabilityGroup": 1, "requiredCapacity": []}},
    ],
)
def test_what_is_broken_is_refused(broken):
    with pytest.raises(DruidException):
        JSON.structure(broken, TaskAnnouncement)


def update(task_id, status, place=None):
    return {"type": "taskUpdate", "taskAnnouncement": {"id": task_id, "status": status, "taskLocation": place}}


changes = st.lists(
    st.builds(
        lambda kind, task_id, place: (
            {"type": "metadata", "disabled": False}
            if kind == "metadata"
            else {"type": "taskRemoval", "taskId": task_id}
            if kind == "removal"
            else update(task_id, kind, place)
        ),
        st.sampled_from(["RUNNING", "RUNNING", "SUCCESS", "FAILED", "removal", "metadata"]),
        st.sampled_from("ab"),
        st.integers(0, 9),
    ),
    max_size=8,
)


@given(changes)
def test_of_one_answer_only_news_that_a_task_runs_is_left_out_which_the_next_of_that_task_says_again(told):
    left = without_overtaken(told)
    assert [id(each) for each in left] == [id(each) for each in told if any(each is kept for kept in left)]  # in order
    for position, change in enumerate(told):
        if any(change is kept for kept in left):
            continue
        task_id = change["taskAnnouncement"]["id"]
        assert change["taskAnnouncement"]["status"] == "RUNNING"
        later = [each for each in told[position + 1 :] if task_id in (each.get("taskId"), _id_of(each))]
        assert later[0]["taskAnnouncement"]["status"] == "RUNNING"


def _id_of(change):
    return change.get("taskAnnouncement", {}).get("id")


def test_a_start_that_is_told_twice_is_read_once_with_its_place():
    told = [update("a", "RUNNING"), update("b", "RUNNING"), update("a", "RUNNING", "here"), update("b", "SUCCESS")]
    assert without_overtaken(told) == told[1:]
    assert without_overtaken(told[:1]) == told[:1]


def test_what_is_no_change_is_left_to_who_reads_it():
    assert without_overtaken(["broken", None]) == ["broken", None]
    assert without_overtaken([{"taskAnnouncement": []}, {}]) == [{"taskAnnouncement": []}, {}]
