"""``swapd events``: a line each, for people and for programs."""

from __future__ import annotations

import asyncio
import json

from swapd.cli.events import tell
from swapd.core.commands import Cause, Kill, Spawn, Why
from swapd.core.engine import RunId
from swapd.core.events import LoadWished, Ticked
from swapd.core.settings import Settings
from swapd.core.spec import Launch

RUN = RunId("alpha", 7)


def something(front) -> None:
    front.happens(LoadWished("alpha"), Spawn(RUN, Launch(("x",)), Why(Cause.LOAD)), Kill(RUN))


async def test_old_events_are_a_line_each(front, swapd):
    something(front)
    done = await swapd("events", "--no-follow", "-n", "2")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [line[8:] for line in done.stdout.splitlines()] == [
        "  start    start alpha#7: load by the operator",
        "  kill     kill alpha#7: it did not stop in time",
    ]


async def test_for_programs_each_is_a_line_of_json(front, swapd):
    something(front)
    done = await swapd("events", "--no-follow", "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"] for event in told] == ["load", "start", "kill"]
    assert told[1]["cause"] == "load"


async def test_it_goes_on_until_the_daemon_ends(front, swapd):
    something(front)
    running = asyncio.ensure_future(swapd("events", "-n", "0"))
    async with asyncio.timeout(10):
        while not front.feed.readers:
            await asyncio.sleep(0.01)
    front.happens(Ticked(), Kill(RUN))
    front.feed.close()
    async with asyncio.timeout(10):
        done = await running
    assert (done.exit_code, done.stdout[8:]) == (0, "  kill     kill alpha#7: it did not stop in time\n")


async def test_without_the_key_nothing_is_told(front, swapd):
    front.config.settings = Settings(admin_key="right")
    done = await swapd("events")
    assert (done.exit_code, "$SWAPD_ADMIN_KEY" in done.stderr) == (1, True)


def test_on_a_terminal_a_swap_stands_out_and_lost_ones_have_no_time(terminal):
    tell(terminal, {"type": "swap", "at": "2026-11-21T12:00:00.000Z", "text": "swap a -> b took 9.2 s"})
    tell(terminal, {"type": "lost", "lost": 3, "text": "3 events are lost"})
    assert "\x1b[1;36mswap" in terminal.shown
    assert "lost" in terminal.shown
