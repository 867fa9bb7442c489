"""Very many pauses of one event loop."""

from __future__ import annotations

import asyncio

from nemeton.http.loop_timers import CoarseTimers


def test_calls_come_in_their_order_after_their_pauses_and_a_failing_one_keeps_no_other():
    async def play():
        loop, timers = asyncio.get_running_loop(), CoarseTimers()
        heard, over, began = [], asyncio.Event(), loop.time()

        def hear(name):
            return lambda number: heard.append((name, number, loop.time() - began))

        def fail(number):
            raise ValueError(number)

        timers.after(0.03, hear("second"))
        numbers = [timers.after(0.01, call) for call in (hear("first"), fail, hear("beside"))]
        timers.after(0.06, lambda number: over.set())
        await asyncio.wait_for(over.wait(), 20)
        return heard, numbers

    heard, numbers = asyncio.run(play())
    assert {name for name, *_ in heard[:2]} == {"first", "beside"}
    assert heard[2][0] == "second"
    assert heard[0][1] == numbers[0], "who is called hears which of the pauses is over"
    for (_, _, at), least in zip(heard, (0.01, 0.01, 0.03), strict=True):
        assert at >= least
