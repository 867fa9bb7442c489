"""Terms and fencing, without processes: who may write when."""

import threading

import pytest
from sqlalchemy import func, insert, select, update
from tests.unit.discovery.metadata.conftest import settings
from tests.unit.indexing.conftest import extensions, json  # noqa: F401 - fixtures

from nemeton.common.clock import SystemClock
from nemeton.indexing.overlord.storage import TaskStorage
from nemeton.indexing.tasks.noop import NoopTask
from nemeton.metadata.coordinator import SqlIndexerMetadataStorageCoordinator
from nemeton.metadata.fence import LeadershipFence, LeadershipLostError
from nemeton.model import DataSegment, NumberedShardSpec, TaskStatus
from nemeton.testkit.suites.leader_selector import RecordingListener
from nemeton.testkit.waiting import eventually
from nemeton.time import Interval


def configs(store):
    table = store.tables.config
    return set(store.read(lambda c: c.execute(select(table.c.name)).scalars()))


def put(store, name, *, then=lambda: None):
    table = store.tables.config

    def work(connection):
        connection.execute(insert(table).values(name=name, payload=b""))
        then()

    store.retry_transaction(work, isolation="READ COMMITTED", max_tries=1)


def lead(participant):
    """Without a selector: take the lease and put up the gate."""
    lease = participant.leases.acquire(participant.service, participant.id)
    participant.leadership.lease = lease
    participant.leadership.put_up_gate()
    return lease


def expire(participant):
    """The store's clock has passed the lease's end."""
    table = participant.store.tables.leases
    participant.connector.retry_transaction(lambda c: c.execute(update(table).values(expires=1)))


def test_terms_go_up_and_one_holds_at_a_time(participant):
    a, b = participant("http://a:1"), participant("http://b:2")
    first = a.leases.acquire("overlord", a.id)
    assert first.term == 1
    assert b.leases.acquire("overlord", b.id) is None
    assert a.leases.acquire("overlord", a.id) is None  # not even the holder itself: a term is taken once
    assert b.leases.holder("overlord") == "http://a:1"
    assert b.leases.acquire("coordinator", b.id).term == 1  # another service's election
    renewed = a.leases.renew(first)
    assert renewed.term == 1
    assert renewed.deadline >= first.deadline
    a.leases.release(renewed)
    assert a.leases.holder("overlord") is None
    second = b.leases.acquire("overlord", b.id)
    assert second.term == 2
    assert a.leases.renew(renewed) is None
    a.leases.release(renewed)  # too late: it is another's
    assert b.leases.holder("overlord") == "http://b:2"


def test_a_lease_that_is_over_is_not_renewed_even_if_nobody_took_it(participant):
    a = participant("http://a:1")
    lease = lead(a)
    expire(a)
    assert a.leases.renew(lease) is None
    assert a.leases.acquire("overlord", a.id).term == 2


def test_many_candidates_at_once_get_one_lease(participant):
    participants = [participant(f"http://h:{n}") for n in range(4)]
    start = threading.Barrier(4)
    got = []

    def run(each):
        start.wait(20)
        got.append(each.leases.acquire("overlord", each.id))

    threads = [threading.Thread(target=run, args=[each]) for each in participants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(lease is None for lease in got) == [False, True, True, True]


def test_without_a_gate_everybody_passes(connector):
    put(connector.acting_for("overlord"), "k")
    assert configs(connector) == {"k"}
    LeadershipFence().admit("overlord")(None)


def test_only_who_holds_the_lease_writes_in_the_leaders_name(participant):
    a, b = participant("http://a:1"), participant("http://b:2")
    b.leadership.put_up_gate()
    lead(a)
    put(a.connector.acting_for("overlord"), "by a")
    with pytest.raises(LeadershipLostError, match="overlord"):
        put(b.connector.acting_for("overlord"), "by b")
    put(b.connector, "not in the leader's name")
    put(b.connector.acting_for("coordinator"), "another election")
    assert configs(a.connector) == {"by a", "not in the leader's name", "another election"}


def test_a_lease_that_is_over_by_the_stores_clock_lets_nothing_pass(participant):
    a = participant("http://a:1")
    lead(a)
    expire(a)
    with pytest.raises(LeadershipLostError):
        put(a.connector.acting_for("overlord"), "late")
    assert configs(a.connector) == set()


def test_a_lease_that_is_over_by_the_own_clock_is_not_even_asked_for(participant):
    a = participant("http://a:1", config=settings(lease_s=0.2, poll_s=0.05))
    lead(a)
    eventually(lambda: not a.leadership.is_held(), "the end of the lease")
    with pytest.raises(LeadershipLostError):
        a.connector.fence.admit("overlord")


def test_what_was_begun_in_one_term_does_not_count_in_the_next(participant):
    """The process lost the leadership and has it again: a write that was tried again all the while is refused."""
    a = participant("http://a:1")
    lead(a)
    check = a.connector.fence.admit("overlord")
    expire(a)
    assert lead(a).term == 2
    put(a.connector.acting_for("overlord"), "new")
    with pytest.raises(LeadershipLostError):
        a.connector.retry_transaction(check)


def test_the_next_term_begins_when_the_writes_of_the_last_have_ended(participant):
    """A write that passed the gate in time is committed before anybody else leads."""
    a, b = participant("http://a:1"), participant("http://b:2")
    lead(a)
    passed, go_on = threading.Event(), threading.Event()
    events = []

    def write():
        put(a.connector.acting_for("overlord"), "slow", then=lambda: (passed.set(), go_on.wait(20)))
        events.append("written")

    def take():
        while b.leases.acquire("overlord", b.id) is None:
            threading.Event().wait(0.02)
        events.append("taken")

    writing = threading.Thread(target=write)
    writing.start()
    assert passed.wait(20)
    if b.connector.engine.dialect.name == "sqlite":
        taking = threading.Thread(target=lambda: (expire(a), take()))  # this waits for the writer, too
    else:
        expire(a)
        taking = threading.Thread(target=take)
    taking.start()
    taking.join(0.5)
    assert events == []
    go_on.set()
    writing.join(20)
    taking.join(20)
    assert sorted(events) == ["taken", "written"]
    assert configs(b.connector) == {"slow"}


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_renewals_go_on_beside_a_long_write(participant):
    a = participant("http://a:1", config=settings(lease_s=1.5, poll_s=0.05))
    listener = RecordingListener()
    a.selector.register_listener(listener)
    eventually(a.selector.is_leader, "leading")
    put(a.connector.acting_for("overlord"), "long", then=lambda: threading.Event().wait(0.4))
    with a.connector.engine.begin() as connection:
        a.connector.fence.admit("overlord")(connection)
        for _ in range(8):
            threading.Event().wait(0.3)
            connection.execute(select(1))  # it is not silent
        assert a.selector.is_leader()
    assert listener.calls == ["become"]
    a.selector.unregister_listener()


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_a_process_that_falls_silent_in_a_write_does_not_keep_the_lease(participant):
    a, b = participant("http://a:1", config=settings(lease_s=0.5, poll_s=0.05)), participant("http://b:2")
    lead(a)
    connection = a.connector.engine.connect()
    transaction = connection.begin()
    a.connector.fence.admit("overlord")(connection)
    connection.execute(insert(a.connector.tables.config).values(name="silent", payload=b""))
    eventually(lambda: b.leases.acquire("overlord", b.id) is not None, "the next leader")
    with pytest.raises(Exception, match=r"terminat|closed"):
        transaction.commit()
    connection.close()
    assert configs(b.connector) == set()


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
@pytest.mark.parametrize("moment", ["taking", "renewing"])
def test_a_process_that_falls_silent_while_it_asks_for_the_lease_does_not_keep_it(participant, moment, monkeypatch):
    a, b = participant("http://a:1", config=settings(lease_s=0.5, poll_s=0.05)), participant("http://b:2")
    a.leases.holder("overlord")  # the tables are there
    if moment == "renewing":
        lease = lead(a)
    silent, go_on = threading.Event(), threading.Event()
    write = a.store.connector.retry_transaction

    def falls_silent(work, **options):
        return write(
            lambda connection: (work(connection), silent.set(), go_on.wait(20))[0], **{**options, "max_tries": 1}
        )

    monkeypatch.setattr(a.store.connector, "retry_transaction", falls_silent)
    outcome = []

    def ask():
        try:
            outcome.append(a.leases.renew(lease) if moment == "renewing" else a.leases.acquire("overlord", a.id))
        except Exception as error:  # noqa: BLE001 - looked at below
            outcome.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert silent.wait(20)
    eventually(lambda: b.leases.acquire("overlord", b.id) is not None, "the next leader")
    go_on.set()
    asking.join(20)
    assert isinstance(outcome[0], Exception)
    assert b.leases.holder("overlord") == b.id


def test_the_overlords_writes_are_fenced(participant, json):  # noqa: F811 - the fixture
    a, b = participant("http://a:1"), participant("http://b:2")
    storages = [TaskStorage(each.connector, json, SystemClock()) for each in (a, b)]
    coordinators = [
        SqlIndexerMetadataStorageCoordinator(each.connector, json, SystemClock()).acting_for("overlord")
        for each in (a, b)
    ]
    lead(a)
    b.leadership.put_up_gate()
    running = TaskStatus.running("t")
    storages[0].insert(NoopTask(id="t", data_source="d"), running)
    segment = DataSegment("d", Interval.parse("2024/2025"), "v", load_spec={}, shard_spec=NumberedShardSpec(0, 1))
    refused = (
        lambda: storages[1].insert(NoopTask(id="u", data_source="d"), TaskStatus.running("u")),
        lambda: storages[1].set_status(TaskStatus.failure("t", "by a leader of old")),
        lambda: storages[1].remove_orphaned_locks(),
        lambda: coordinators[1].commit_segments_and_metadata([segment], completes_task="t"),
        lambda: coordinators[1].commit_metadata_only("d", {"type": "object"}, {"type": "object", "object": 1}),
        lambda: coordinators[1].mark_segments_as_unused("d", None),
    )
    for write in refused:
        with pytest.raises(LeadershipLostError) as caught:
            write()
        assert caught.value.http_status == 503
    assert storages[1].get_status("t") == running  # reading is free
    assert coordinators[0].commit_segments_and_metadata([segment], completes_task="t").success


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_many_writes_at_once_pass_the_gate_without_conflicts(participant, caplog):
    a = participant("http://a:1", config=settings(lease_s=4.0, poll_s=0.05))
    a.selector.register_listener(RecordingListener())
    eventually(a.selector.is_leader, "leading")
    caplog.set_level("DEBUG", logger="nemeton.metadata.connector")
    acting = a.connector.acting_for("overlord")
    threads = [
        threading.Thread(target=lambda part=part: [put(acting, f"{part}-{n}") for n in range(40)]) for part in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    count = select(func.count()).select_from(a.connector.tables.config)
    assert a.connector.read(lambda c: c.execute(count).scalar()) == 240
    assert not [record for record in caplog.records if "again in" in record.message]
    assert a.selector.is_leader()
    a.selector.unregister_listener()
