"""What workers tell of tasks is read the same way, whichever form it has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemeton.common.errors import DruidException
from nemeton.indexing.announcements import TaskAnnouncement, TaskUpdate, WorkerHistoryItem
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
