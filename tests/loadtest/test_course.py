"""A whole run: how many at once, when, in which order, until when, and what it says of the sides."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from swapd.loadtest.course import Course, Load
from swapd.loadtest.question import Form
from swapd.loadtest.result import told
from swapd.loadtest.side import Side
from swapd.loadtest.swaps import Swaps
from swapd.tasks import spawn
from tests.loadtest.conftest import DONE, SSE, Closed, said, whole

PLAIN = Form(stream=False)
OK = whole({"usage": {"prompt_tokens": 1, "completion_tokens": 2}})


def after(seconds: float):
    async def script(body, writer):
        await asyncio.sleep(seconds)
        writer.write(OK)

    return script


def result(run, began=0.0):
    return told(run, "2026-01-01T00:00:00+00:00", time.monotonic() - began, False)


async def test_so_many_are_asked_at_once_and_the_warm_up_is_not_counted(serve):
    now = most = 0

    async def script(body, writer):
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        writer.write(OK)

    course = Course(Load(PLAIN, requests=24, concurrency=6, warmup=2), [Side("A", await serve(script), ("m",))])
    await course.run()
    [side] = result(course)["sides"]
    assert (most, side["sent"], side["answered"], len(side["warmup"])) == (6, 24, 24, 2)
    assert side["tokens"] == {"prompt": 24, "completion": 48, "completion_per_second": 48 / side["seconds"]} | {
        "counted": "server"
    }
    assert side["requests_per_second"] == pytest.approx(24 / side["seconds"])


async def test_several_models_are_asked_in_turn_and_told_apart(serve):
    asked = []

    async def script(body, writer):
        asked.append(body["model"])
        await asyncio.sleep(0.1 if body["model"] == "slow" else 0)
        writer.write(OK)

    side = Side("A", await serve(script), ("slow", "quick"))
    course = Course(Load(PLAIN, requests=12, concurrency=1, warmup=0), [side])
    await course.run()
    assert asked == ["slow", "quick"] * 6
    parts = result(course)["sides"][0]["by_model"]
    assert parts["slow"]["measures"]["total"]["p50"] >= 0.1 > parts["quick"]["measures"]["total"]["p50"]


async def test_the_ratio_of_a_server_twice_as_slow_is_two_and_the_sides_take_turns(serve):
    order = []

    def slow(seconds, name):
        async def script(body, writer):
            order.append(name)
            await asyncio.sleep(seconds)
            writer.write(OK)

        return script

    urls = [await serve(slow(0.04, "A")), await serve(slow(0.08, "B"))]
    sides = [Side(name, url, ("m",)) for name, url in zip("AB", urls, strict=True)]
    course = Course(Load(PLAIN, requests=14, concurrency=1, warmup=0), sides)
    await course.run()
    [compared] = result(course)["compare"]
    found = compared["measures"]["total"]
    assert found["low"] <= found["ratio"] <= found["high"]
    assert found["ratio"] == pytest.approx(2, rel=0.25)
    assert found["differs"]
    assert "".join(order) == "ABBA" * 7


async def test_at_a_rate_a_stall_counts_for_all_that_were_due_meanwhile(serve):
    """One that asks only after its answer would have found a single slow request."""
    first = True

    async def script(body, writer):
        nonlocal first
        stall, first = first, False
        await asyncio.sleep(0.3 if stall else 0)
        writer.write(OK)

    load = Load(PLAIN, requests=40, concurrency=1, rate=100, warmup=0)
    course = Course(load, [Side("A", await serve(script), ("m",))])
    await course.run()
    totals = course.parties[0].tally.measures["total"].kept
    assert len(totals) == 40
    assert sum(total > 0.05 for total in totals) > 10


@pytest.mark.parametrize("rate", [None, 100, 0.001])
async def test_no_more_is_sent_when_the_duration_is_over(serve, rate):
    load = Load(PLAIN, requests=10_000, concurrency=2, rate=rate, warmup=0, duration=0.4)
    course = Course(load, [Side("A", await serve(after(0.02)), ("m",))])
    began = time.monotonic()
    await course.run()
    assert time.monotonic() - began < 5
    found = result(course)
    assert found["stopped"] == "duration"
    assert (found["sides"][0]["answered"] == 0) == (rate == 0.001)
    assert found["sides"][0]["answered"] < 100


async def test_what_was_counted_is_there_after_an_interruption(serve):
    course = Course(
        Load(PLAIN, requests=10_000, concurrency=2, warmup=0), [Side("A", await serve(after(0.01)), ("m",))]
    )
    running = spawn(course.run(), "course")
    async with asyncio.timeout(5):
        while course.parties[0].tally.answered < 4:
            await asyncio.sleep(0.005)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    [side] = result(course)["sides"]
    assert side["answered"] >= 4
    assert side["dropped"] == 2
    assert side["seconds"] > 0


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_error(serve):
    served = 0

    async def script(body, writer):
        nonlocal served
        served += 1
        stream = said("x") + DONE
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(stream)
        writer.write(head + stream)  # it does not say that it will close, as llama-server does not
        raise Closed

    course = Course(Load(Form(), requests=30, concurrency=3), [Side("A", await serve(script), ("m",))])
    await course.run()
    [side] = result(course)["sides"]
    assert (side["answered"], side["errors"], served) == (30, [], 31)


async def test_a_server_that_closes_unanswered_is_not_asked_for_ever(serve):
    async def script(body, writer):
        raise Closed

    course = Course(Load(PLAIN, requests=8, concurrency=2, warmup=0), [Side("A", await serve(script), ("m",))])
    await course.run()
    assert [e["kind"] for e in result(course)["sides"][0]["errors"]] == ["closed"]


async def test_a_swap_costs_what_the_first_request_after_the_other_model_takes_longer(serve):
    up, run = "", 0

    async def script(body, writer):
        nonlocal up, run
        swapped = body["model"] != up
        if swapped:
            up, run = body["model"], run + 1
            await asyncio.sleep(0.15)
        load = 150 if swapped else 0
        told = f"X-Swapd-Model: {up}\r\nX-Swapd-Run: {run}\r\n"
        told += f"X-Swapd-Queued-Ms: {load}\r\nX-Swapd-Load-Ms: {load}\r\n"
        writer.write(SSE.replace(b"\r\n\r\n", b"\r\n" + told.encode() + b"\r\n") + said("x") + DONE)
        raise Closed

    swaps = Swaps(Load(Form()), [Side("A", await serve(script), ("a", "b"))], rounds=5)
    await swaps.run()
    for change in result(swaps)["sides"][0]["changes"]:
        assert (change["rounds"], change["swapped"], change["errors"]) == (5, 5, [])
        assert change["cost"]["first_byte"]["median"] == pytest.approx(0.15, abs=0.075)
        assert change["cost"]["first_token"]["n"] == 5
        assert change["loaded"]["median"] == change["queued"]["worst"] == 0.15
        assert change["warm"]["first_byte"]["median"] < 0.075


async def test_models_that_fit_at_once_are_never_swapped_and_a_strange_server_does_not_say(serve):
    side = Side("A", await serve(after(0)), ("a", "b"))
    swaps = Swaps(Load(PLAIN), [side], rounds=2)
    await swaps.run()
    assert [change["swapped"] for change in result(swaps)["sides"][0]["changes"]] == [None, None]
