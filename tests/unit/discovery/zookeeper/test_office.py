"""Terms of leaders whom ZooKeeper elects, without a ZooKeeper: who may write when."""

import threading
from types import SimpleNamespace

import pytest
from sqlalchemy import func, insert, inspect, select, update
from tests.unit.discovery.metadata.conftest import lease_store, settings

from nemeton.common.clock import SystemClock
from nemeton.common.errors import DruidException
from nemeton.discovery.metadata.latch import Leadership
from nemeton.discovery.metadata.leases import Leases
from nemeton.discovery.metadata.terms import Terms
from nemeton.discovery.zookeeper.office import Candidate, Office
from nemeton.metadata.fence import LeadershipLostError
from nemeton.testkit.waiting import eventually


class Believer(Candidate):
    """Whose session may be over: what it believes, and what ZooKeeper says to it."""

    def __init__(self):
        self.believes = True
        self.asked = lambda: True

    def has_leadership(self):
        return self.believes

    def confirms_leadership(self):
        return self.asked()


class Participant:
    """A process with a connector of its own."""

    def __init__(self, connector, holder, session_s):
        self.connector = connector
        self.acting = connector.acting_for("overlord")
        self.store = lease_store(connector)
        self.office = Office("overlord", holder, self.store, SimpleNamespace(session_s=session_s))
        self.candidate = Believer()

    def lead(self):
        self.office.put_up_gate()
        self.candidate = Believer()
        self.office.take(self.candidate)
        return self


@pytest.fixture(scope="session")
def metadata_database(postgresql):
    """A database of these tests' own: they leave a table behind that is not Druid's."""
    return postgresql.create_database()


@pytest.fixture
def participant(connector, another_connector):
    table = lease_store(connector).leases
    with connector.engine.begin() as connection:
        connection.execute(table.delete())
    return lambda holder="http://a:1", session_s=30.0: Participant(another_connector(), holder, session_s)


def names(store):
    return set(store.read(lambda c: c.execute(select(store.tables.config.c.name)).scalars()))


def put(store, name, *, then=lambda: None):
    def work(connection):
        connection.execute(insert(store.tables.config).values(name=name, payload=b""))
        then()

    store.retry_transaction(work, isolation="READ COMMITTED", max_tries=2)


def row(connector):
    table = lease_store(connector).leases
    query = select(table.c.holder, table.c.term).where(table.c.service == "overlord")
    return tuple(connector.read(lambda c: c.execute(query).one()))


def test_only_the_last_leader_writes_whatever_the_others_believe(participant, connector):
    a, b = participant("http://a:1").lead(), participant("http://b:2")
    put(a.acting, "by a")
    b.lead()
    put(b.acting, "by b")
    assert a.candidate.believes
    with pytest.raises(LeadershipLostError, match=r"does not lead the service \[overlord\] any more") as caught:
        put(a.acting, "late")
    assert caught.value.http_status == 503
    put(a.connector, "not in the leader's name")
    assert names(connector) == {"by a", "by b", "not in the leader's name"}
    assert row(connector) == ("http://b:2", 2)


def test_who_has_taken_no_term_yet_does_not_write(participant, connector):
    a = participant()
    a.office.put_up_gate()
    with pytest.raises(LeadershipLostError):
        put(a.acting, "early")
    a.lead()
    put(a.acting, "now")
    assert names(connector) == {"now"}


def test_whoever_takes_a_term_late_does_not_come_after_the_leader_who_was_elected_later(participant, connector):
    """A process stops after ZooKeeper has said that it leads, and before it has noted so."""
    a, b = participant("http://a:1"), participant("http://b:2")
    answers = iter([True, False])

    def asked():
        answer = next(answers)
        if answer:  # and by now it is another's turn
            b.lead()
        return answer

    a.candidate.asked = asked
    with pytest.raises(LeadershipLostError):
        a.office.take(a.candidate)
    put(b.acting, "by b")
    assert row(connector) == ("http://b:2", 1)


def test_the_rightful_leader_takes_the_term_back_from_a_process_that_was_slow(participant, connector):
    """What it noted in the name of an election of old does not keep the leader from leading."""
    a, b = participant("http://a:1"), participant("http://b:2")
    b.candidate.asked = lambda: row_or_none(connector) is not None or bool(a.lead())
    b.office.put_up_gate()
    b.office.take(b.candidate)
    put(b.acting, "by b")
    with pytest.raises(LeadershipLostError):
        put(a.acting, "late")
    assert row(connector) == ("http://b:2", 2)


def row_or_none(connector):
    table = lease_store(connector).leases
    return connector.read(lambda c: c.execute(select(table.c.term)).first())


def test_a_leader_that_notes_no_term_keeps_nobody_from_leading_after_it(participant, connector):
    """Java's: it leads between two of ours, and one of ours leads twice."""
    a, b = participant("http://a:1").lead(), participant("http://b:2")
    a.candidate.believes = False  # a Java Overlord leads
    with pytest.raises(LeadershipLostError):
        put(a.acting, "late")
    a.lead()
    put(a.acting, "again")
    a.candidate.believes = False
    b.lead()
    put(b.acting, "by b")
    assert names(connector) == {"again", "by b"}
    assert row(connector) == ("http://b:2", 3)


def test_what_was_begun_in_one_term_does_not_count_in_the_next(participant, connector):
    a = participant().lead()
    check = a.connector.fence.admit("overlord")
    a.lead()
    put(a.acting, "new")
    with pytest.raises(LeadershipLostError):
        a.connector.retry_transaction(check)


def test_a_leadership_that_ends_in_a_transaction_takes_the_transaction_with_it(participant, connector):
    """Nobody has taken a term since: what this process knows is enough."""
    a = participant().lead()
    with pytest.raises(LeadershipLostError):
        put(a.acting, "late", then=lambda: setattr(a.candidate, "believes", False))
    assert names(connector) == set()


def test_the_next_term_begins_when_the_writes_of_the_last_have_ended(participant, connector):
    a, b = participant("http://a:1").lead(), participant("http://b:2")
    passed, go_on = threading.Event(), threading.Event()
    events = []

    def write():
        put(a.acting, "slow", then=lambda: (passed.set(), go_on.wait(20)))
        events.append("written")

    def take():
        b.lead()
        events.append("taken" if names(connector) == {"slow"} else "taken too early")

    writing, taking = threading.Thread(target=write), threading.Thread(target=take)
    writing.start()
    assert passed.wait(20)
    taking.start()
    taking.join(0.3)
    assert events == []
    go_on.set()
    writing.join(20)
    taking.join(20)
    assert sorted(events) == ["taken", "written"]


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_a_process_that_falls_silent_in_a_write_does_not_keep_the_term(participant, connector):
    """For a third of the session's time: when it is over, others may lead."""
    a, b = participant("http://a:1", session_s=1.5).lead(), participant("http://b:2")
    connection = a.connector.engine.connect()
    transaction = connection.begin()
    a.connector.fence.admit("overlord")(connection)
    connection.execute(insert(a.connector.tables.config).values(name="silent", payload=b""))
    b.lead()
    with pytest.raises(Exception, match=r"terminat|closed"):
        transaction.commit()
    connection.close()
    assert names(connector) == set()


def test_many_at_once_take_one_term_each(participant, connector):
    participants = [participant(f"http://h:{n}") for n in range(4)]
    start = threading.Barrier(4)
    failed = []

    def run(each):
        start.wait(20)
        try:
            each.lead()
        except LeadershipLostError:  # the others were quicker, five times
            failed.append(each)

    threads = [threading.Thread(target=run, args=[each]) for each in participants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert row(connector)[1] == 4 - len(failed)
    passing = []
    for each in participants:
        try:
            put(each.acting, each.office._holder)
            passing.append(each.office._holder)
        except LeadershipLostError:
            continue
    assert passing == [row(connector)[0]]


@pytest.mark.parametrize("connector", ["postgresql"], indirect=True)
def test_many_writes_at_once_pass_the_gate_without_conflicts(participant, caplog):
    a = participant().lead()
    caplog.set_level("DEBUG", logger="nemeton.metadata.connector")
    threads = [
        threading.Thread(target=lambda part=part: [put(a.acting, f"{part}-{n}") for n in range(25)])
        for part in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    count = select(func.count()).select_from(a.connector.tables.config)
    assert a.connector.read(lambda c: c.execute(count).scalar()) == 150
    assert not [record for record in caplog.records if "again in" in record.message]


def test_elections_of_both_kinds_over_one_store_fence_each_other(participant, connector, another_connector):
    """By mistake, or while a cluster goes from the one to the other: never do two leaders write."""
    a = participant("http://a:1").lead()
    other = another_connector()
    leases = Leases(lease_store(other, settings()), SystemClock())
    leadership = Leadership("overlord", leases, SystemClock())
    leadership.put_up_gate()
    leadership.lease = leases.acquire("overlord", "http://b:2")
    put(other.acting_for("overlord"), "by lease")
    with pytest.raises(LeadershipLostError):
        put(a.acting, "late")
    a.lead()
    put(a.acting, "elected")
    with pytest.raises(LeadershipLostError):
        put(other.acting_for("overlord"), "late")
    assert names(connector) == {"by lease", "elected"}


def test_a_store_that_is_set_back_lets_nobody_pass_who_led_later(participant, connector):
    a = participant().lead().lead()
    table = lease_store(connector).leases
    connector.retry_transaction(lambda c: c.execute(update(table).values(term=1)))
    with pytest.raises(LeadershipLostError):
        put(a.acting, "from the future")
    a.lead()
    put(a.acting, "anew")


@pytest.fixture
def empty_store(tmp_path):
    from nemeton.metadata.config import MetadataStorageConnectorConfig, MetadataStorageTablesConfig
    from nemeton.metadata.connector import MetadataStorageConnector
    from nemeton.metadata.sqlite import SqliteDialect

    made = []

    def make(create_tables):
        config = MetadataStorageConnectorConfig(
            connect_uri=f"sqlite:///{tmp_path / 'empty.db'}", create_tables=create_tables
        )
        made.append(
            MetadataStorageConnector(config, MetadataStorageTablesConfig(base="b"), SqliteDialect(), SystemClock())
        )
        return made[-1]

    yield make
    for each in made:
        each.stop()


def test_only_the_table_of_leases_is_made(empty_store):
    connector = empty_store(True)
    Terms("overlord", lease_store(connector), 10.0)
    assert inspect(connector.engine).get_table_names() == ["b_leases"]


def test_a_missing_table_that_may_not_be_made_is_named(empty_store):
    a = Participant(empty_store(False), "http://a:1", 30.0)
    with pytest.raises(DruidException, match="b_leases"):
        a.lead()


def test_the_leadership_can_be_lost_before_the_store_answers(participant):
    a = participant()
    a.candidate.asked = lambda: False
    with pytest.raises(LeadershipLostError):
        a.office.take(a.candidate)
    eventually(lambda: row_or_none(a.connector) is None, "nothing is noted")
