"""The rules of Druid's lifecycle: behaviours 2.1 to 2.12 and 3.1 to 3.7 of docs/design/coverage.md."""

import logging
import signal
import subprocess
import sys
import threading

import pytest

from nemeton.lifecycle import Lifecycle, LifecycleError, Stage, State, lifecycle_start, lifecycle_stop


class Recorder:
    """A handler that writes down what happens to it."""

    def __init__(self, name, events, fail_start=None, fail_stop=None):
        self.name, self.events, self.fail_start, self.fail_stop = name, events, fail_start, fail_stop

    def start(self):
        self.events.append(f"start {self.name}")
        if self.fail_start:
            raise self.fail_start

    def stop(self):
        self.events.append(f"stop {self.name}")
        if self.fail_stop:
            raise self.fail_stop


@pytest.fixture
def events():
    return []


@pytest.fixture
def lifecycle():
    return Lifecycle("test")


def test_stages_start_in_order_and_stop_in_reverse(lifecycle, events):
    for stage in (Stage.ANNOUNCEMENTS, Stage.NORMAL, Stage.SERVER, Stage.INIT):
        lifecycle.add_handler(Recorder(f"{stage.name}1", events), stage)
        lifecycle.add_handler(Recorder(f"{stage.name}2", events), stage)
    lifecycle.start()
    started = [f"start {stage}{n}" for stage in ("INIT", "NORMAL", "SERVER", "ANNOUNCEMENTS") for n in (1, 2)]
    assert events == started
    events.clear()
    lifecycle.stop()
    assert events == [entry.replace("start", "stop") for entry in reversed(started)]


def test_each_stage_is_logged_as_it_starts(lifecycle, caplog):
    with caplog.at_level(logging.DEBUG, logger="nemeton.lifecycle"):
        lifecycle.start()
    lines = [record.getMessage() for record in caplog.records if "stage" in record.getMessage()]
    assert lines == [f"Starting lifecycle [test] stage [{stage.name}]" for stage in Stage]


@pytest.mark.parametrize("name", ["", None])
def test_a_name_is_needed(name):
    with pytest.raises(ValueError, match="name"):
        Lifecycle(name)


def test_states_follow_each_other(lifecycle):
    assert lifecycle.state is State.NOT_STARTED
    lifecycle.start()
    assert lifecycle.state is State.RUNNING
    lifecycle.stop()
    assert lifecycle.state is State.STOPPED


def test_another_thread_sees_the_newest_state(lifecycle):
    seen = []

    class Asking:
        def start(self):
            asking = threading.Thread(target=lambda: seen.append(lifecycle.state))
            asking.start()
            asking.join(10)

        stop = start

    lifecycle.add_handler(Asking())
    lifecycle.start()
    lifecycle.stop()
    assert seen == [State.RUNNING, State.STOPPED]


def test_stop_unless_running_does_nothing_but_log(lifecycle, events, caplog):
    lifecycle.add_handler(Recorder("a", events))
    with caplog.at_level(logging.DEBUG, logger="nemeton.lifecycle"):
        lifecycle.stop()
        assert "never started" in caplog.text
        lifecycle.start()
        assert events == ["start a"]
        lifecycle.stop()
        lifecycle.stop()
    assert events == ["start a", "stop a"]
    assert "is stopped; nothing to stop" in caplog.text


def test_second_start_and_start_after_stop_are_refused(lifecycle):
    lifecycle.start()
    with pytest.raises(LifecycleError, match="Already started"):
        lifecycle.start()
    lifecycle.stop()
    with pytest.raises(LifecycleError, match="concurrently with start"):
        lifecycle.start()


def test_a_start_that_loses_the_race_with_a_stop(lifecycle, events):
    class Slow(Recorder):
        def start(self):
            super().start()
            stopper.start()
            wait_until_asked()

    def wait_until_asked():
        pause = threading.Event()
        for _ in range(2000):
            if lifecycle._stop_requested.is_set():
                return
            pause.wait(0.005)
        raise AssertionError("nobody asked to stop")

    stopper = threading.Thread(target=lifecycle.stop)
    lifecycle.add_handler(Slow("slow", events))
    lifecycle.add_handler(Recorder("late", events))
    with pytest.raises(LifecycleError, match=r"stop\(\) is called concurrently with start\(\)"):
        lifecycle.start()
    stopper.join(10)
    assert events == ["start slow", "stop slow"]
    assert lifecycle.state is State.STOPPED


def test_failures_to_stop_are_collected_and_keep_nobody_from_stopping(lifecycle, events):
    lifecycle.add_handler(Recorder("a", events, fail_stop=ValueError("a fails")))
    lifecycle.add_handler(Recorder("b", events))
    lifecycle.add_handler(Recorder("c", events, fail_stop=ValueError("c fails")))
    lifecycle.start()
    events.clear()
    with pytest.raises(LifecycleError) as raised:
        lifecycle.stop()
    assert events == ["stop c", "stop b", "stop a"]
    assert "c fails" in str(raised.value)
    assert any("a fails" in note for note in raised.value.__notes__)


def test_a_failing_start_stops_what_had_started_and_propagates(lifecycle, events):
    lifecycle.add_handler(Recorder("a", events), Stage.INIT)
    lifecycle.add_handler(Recorder("b", events, fail_start=OSError("no port")))
    lifecycle.add_handler(Recorder("c", events), Stage.SERVER)
    with pytest.raises(OSError, match="no port"):
        lifecycle.start()
    assert events == ["start a", "start b", "stop a"]
    assert lifecycle.state is State.STOPPED


def test_nobody_joins_after_the_start_except_through_add_and_start(lifecycle, events):
    lifecycle.start()
    with pytest.raises(LifecycleError, match="add_and_start"):
        lifecycle.add_handler(Recorder("late", events))
    lifecycle.add_and_start(Recorder("late", events))
    assert events == ["start late"]
    lifecycle.stop()
    assert events == ["start late", "stop late"]
    with pytest.raises(LifecycleError, match="stopp"):
        lifecycle.add_and_start(Recorder("too late", events))


def test_add_and_start_of_a_later_stage_waits_for_that_stage(lifecycle, events):
    class Opener(Recorder):
        def start(self):
            super().start()
            lifecycle.add_and_start(Recorder("server", events), Stage.SERVER)
            lifecycle.add_and_start(Recorder("now", events), Stage.INIT)

    lifecycle.add_handler(Opener("opener", events))
    lifecycle.add_handler(Recorder("normal", events))
    lifecycle.start()
    assert events == ["start opener", "start now", "start normal", "start server"]


def test_adding_while_another_thread_starts_is_refused_at_once(lifecycle, events):
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Recorder):
        def start(self):
            inside.set()
            assert go_on.wait(10)

    lifecycle.add_handler(Slow("slow", events))
    starter = threading.Thread(target=lifecycle.start)
    starter.start()
    assert inside.wait(10)
    with pytest.raises(LifecycleError, match="in the process of"):
        lifecycle.add_handler(Recorder("b", events))
    go_on.set()
    starter.join(10)
    assert lifecycle.state is State.RUNNING


def test_start_close_instances_need_both_methods_when_they_are_added(lifecycle):
    class OnlyStart:
        def start(self):
            pass

    with pytest.raises(TypeError, match=r"close\(\)"):
        lifecycle.add_start_close_instance(OnlyStart())


def test_start_close_instance_is_given_back_and_its_failing_close_is_swallowed(lifecycle, events):
    class Part:
        def start(self):
            events.append("start")

        def close(self):
            raise RuntimeError("close fails")

    part = Part()
    assert lifecycle.add_start_close_instance(part) is part
    lifecycle.start()
    lifecycle.stop()
    assert events == ["start"]


def test_managed_instance_runs_all_marked_methods(lifecycle, events):
    class Base:
        @lifecycle_start
        def begin(self):
            events.append("begin")

        @lifecycle_stop
        def end(self):
            events.append("end")
            raise RuntimeError("end fails")

    class Part(Base):
        @lifecycle_start
        def begin_more(self):
            events.append("begin_more")

        @lifecycle_stop
        def end_more(self):
            events.append("end_more")

        def other(self):
            events.append("never")

    part = Part()
    assert lifecycle.add_managed_instance(part) is part
    lifecycle.start()
    lifecycle.stop()
    assert events == ["begin", "begin_more", "end", "end_more"]


def test_failure_of_a_marked_start_propagates(lifecycle):
    class Part:
        @lifecycle_start
        def begin(self):
            raise KeyError("begin")

    lifecycle.add_managed_instance(Part())
    with pytest.raises(KeyError):
        lifecycle.start()


def test_join_returns_after_request_stop_and_everything_has_stopped(lifecycle, events):
    lifecycle.add_handler(Recorder("a", events))
    lifecycle.start()
    lifecycle.request_stop()
    lifecycle.join(stop_within_s=10)
    assert events == ["start a", "stop a"]


def test_join_gives_up_on_a_handler_that_hangs(lifecycle):
    release = threading.Event()

    class Hanging:
        def start(self):
            pass

        def stop(self):
            release.wait(30)

    lifecycle.add_handler(Hanging())
    lifecycle.start()
    lifecycle.request_stop()
    with pytest.raises(LifecycleError, match="did not stop within"):
        lifecycle.join(stop_within_s=0.05)
    release.set()


def test_a_part_that_needs_longer_gets_it(lifecycle):
    class Patient:
        stop_patience_s = 30.0
        stopped = False

        def start(self):
            pass

        def close(self):
            threading.Event().wait(0.2)
            self.stopped = True

    patient = lifecycle.add_start_close_instance(Patient())
    assert lifecycle.stop_patience_s == 0
    lifecycle.start()
    assert lifecycle.stop_patience_s == 30
    lifecycle.request_stop()
    lifecycle.join(stop_within_s=0.05)
    assert patient.stopped


def test_join_hears_signals_once_and_gives_them_back(lifecycle, monkeypatch):
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    hooked = []
    install = signal.signal
    monkeypatch.setattr(signal, "signal", lambda number, to: hooked.append(number) or install(number, to))
    lifecycle.start()
    lifecycle.request_stop()
    lifecycle.join(stop_within_s=10)
    assert hooked == [*before, *before]  # set, and set back
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_handler_of_ones_own_at_any_stage(lifecycle, events):
    class Own:
        def start(self):
            events.append("own start")

        def stop(self):
            events.append("own stop")

    for stage in Stage:
        lifecycle.add_handler(Own(), stage)
    lifecycle.start()
    lifecycle.stop()
    assert events == ["own start"] * 4 + ["own stop"] * 4


def test_helpers_default_to_stage_normal(lifecycle, events):
    class Part:
        def start(self):
            events.append("part")

        def close(self):
            pass

    class Managed:
        @lifecycle_start
        def begin(self):
            events.append("managed")

    lifecycle.add_handler(Recorder("server", events), Stage.SERVER)
    lifecycle.add_start_close_instance(Part())
    lifecycle.add_managed_instance(Managed())
    lifecycle.add_handler(Recorder("handler", events))
    lifecycle.add_handler(Recorder("init", events), Stage.INIT)
    lifecycle.start()
    assert events == ["start init", "part", "managed", "start handler", "start server"]


def test_a_failing_start_of_a_start_close_instance_propagates(lifecycle):
    class Part:
        def start(self):
            raise KeyError("start")

        def close(self):
            pass

    lifecycle.add_start_close_instance(Part())
    with pytest.raises(KeyError):
        lifecycle.start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_join_with_a_clean_stop(number):
    script = (
        "import signal, threading\n"
        "from nemeton.lifecycle import Lifecycle\n"
        "class H:\n"
        "    def start(self): pass\n"
        "    def stop(self): print('down', flush=True)\n"
        "def tell():\n"
        "    usual = (signal.default_int_handler, signal.SIG_DFL)\n"
        "    while any(signal.getsignal(s) in usual for s in (signal.SIGINT, signal.SIGTERM)): pass\n"
        "    print('up', flush=True)\n"
        "life = Lifecycle('p'); life.add_handler(H()); life.start()\n"
        "threading.Thread(target=tell).start()\n"
        "life.join(stop_within_s=10)\n"
        "print('end', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.stdout.read() == "down\nend\n"
        assert process.wait(10) == 0
