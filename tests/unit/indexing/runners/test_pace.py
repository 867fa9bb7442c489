"""When a worker that has told news is asked again."""

from nemeton.indexing.overlord.runners.http_remote.pace import PollPace


class Day:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self):
        return self.now


def pauses(pace, day, per_s, seconds):
    """The pauses after so many answers a second, evenly spread."""
    found = []
    for _ in range(int(per_s * seconds)):
        day.now += 1 / per_s
        found.append(pace.pause())
    return found


def test_few_answers_are_followed_by_the_next_poll_at_once():
    day = Day()
    assert set(pauses(PollPace(lambda: 1000, day), day, per_s=300, seconds=3)) == {0.0}


def test_in_a_rush_each_worker_of_a_large_fleet_is_asked_a_few_times_a_second():
    day = Day()
    pace = PollPace(lambda: 1000, day)
    assert pauses(pace, day, per_s=2000, seconds=1)[200:] == [0.2] * 1800


def test_a_small_fleet_waits_for_milliseconds_at_most():
    day = Day()
    assert max(pauses(PollPace(lambda: 10, day), day, per_s=3000, seconds=1)) <= 0.002


def test_the_rush_is_over_when_it_is_over():
    day = Day()
    pace = PollPace(lambda: 1000, day)
    pauses(pace, day, per_s=2000, seconds=1)
    day.now += 1
    assert pace.pause() == 0.0
