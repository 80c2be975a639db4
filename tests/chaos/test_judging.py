"""The suite's own eyes: a relay that loses, breaks or completes what it must not is caught by its clients."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from tests.chaos.arena import until
from tests.chaos.calls import Ask, finished, of_error, of_stream
from tests.chaos.crowd import Crowd
from tests.chaos.plan import drawn
from tests.chaos.report import Report
from tests.chaos.verdict import BROKEN, LOST, OK, REFUSED, WRONG, Excuses, Tally

# The judge of a stream

WHOLE = [json.dumps({"choices": [{"delta": {"content": word}}]}) for word in (" alpha", " 1", " 2")]
DIED = json.dumps({"error": {"message": "the engine died", "code": "engine_died", "type": "engine_error"}})
STREAMS = {
    "whole": ([*WHOLE, "[DONE]"], True, "ok"),
    "broken in words": ([*WHOLE[:2], DIED], True, "refused"),
    "cut": (WHOLE[:2], False, "cut"),
    "a piece is missing": ([WHOLE[0], WHOLE[2], "[DONE]"], True, "wrong"),
    "a piece came twice": ([WHOLE[0], WHOLE[0], WHOLE[1]], False, "wrong"),
    "done too soon": ([*WHOLE[:2], "[DONE]"], True, "wrong"),
    "ends as if complete": (WHOLE[:2], True, "wrong"),
    "done after an error": ([*WHOLE[:2], DIED, "[DONE]"], True, "wrong"),
    "another's": ([WHOLE[0].replace("alpha", "beta")], False, "wrong"),
    "an error of nobody": ([json.dumps({"error": {"message": "?", "code": "what"}})], True, "wrong"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_judged_by_every_piece_and_by_its_end(name):
    events, clean, how = STREAMS[name]
    assert of_stream(events, clean, "alpha 1 2")[0] == how


def test_a_refusal_is_one_only_in_swapds_own_words():
    error = {"error": {"message": "no", "code": "queue_full"}}
    assert of_error(503, {"retry-after": "1"}, error)[0] == "refused"
    assert of_error(503, {}, error)[0] == "wrong", "without Retry-After"
    assert of_error(500, {}, error)[0] == "wrong", "another status"
    assert of_error(500, {}, {"error": {"message": "a bug", "code": "internal_error"}})[0] == "wrong"
    assert of_error(502, {}, "<html>")[0] == "wrong"


# A crowd at a relay that errs


class Relay:
    """In a daemon's place: answers each request with these bytes and closes, or keeps silent."""

    chats: ClassVar[list[str]] = ["alpha"]

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.port = 0
        self.busy = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.busy += 1
        await reader.readuntil(b"\r\n\r\n")
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        self.busy -= 1


@asynccontextmanager
async def crowd_at(answer: bytes | None):
    relay, excuses = Relay(answer), Excuses()
    async with await asyncio.start_server(relay.serve, "127.0.0.1", 0) as server:
        relay.port = server.sockets[0].getsockname()[1]
        yield Crowd(relay, excuses, 1, lambda line: None), excuses
        await until(lambda: not relay.busy, 5.0, "every connection is closed")


def chunked(events: list[str], end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(data), data) for data in (f"data: {e}\n\n".encode() for e in events))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end


ASK = Ask("stream", "alpha", words=3)
ERRING = {
    "all is well": (chunked([*WHOLE, "[DONE]"]), OK),
    "a broken stream completed": (chunked([*WHOLE[:2], "[DONE]"]), WRONG),
    "a broken stream ended cleanly": (chunked(WHOLE[:2]), WRONG),
    "a stream cut for no reason": (chunked(WHOLE[:2], b""), WRONG),
    "a refusal for no reason": (chunked([DIED]), WRONG),
    "no answer at all": (b"", WRONG),
}


@pytest.mark.parametrize("name", ERRING)
async def test_a_relay_that_errs_is_caught(name):
    answer, verdict = ERRING[name]
    async with crowd_at(answer) as (crowd, _):
        await crowd.ask(ASK)
    assert crowd.tally.verdicts == {verdict: 1}


async def test_a_request_that_nobody_answers_is_lost(monkeypatch):
    monkeypatch.setattr("tests.chaos.crowd.BOUND", 0.1)
    async with crowd_at(None) as (crowd, _):
        await crowd.ask(ASK)
    assert crowd.tally.verdicts == {LOST: 1}
    assert "no outcome within" in crowd.tally.bad[0]["why"]


async def test_an_excuse_explains_only_its_own_models_refusals_and_time():
    async with crowd_at(chunked([DIED])) as (crowd, excuses):
        excuses.give("another's fault", codes=("engine_died",), models=("beta",))
        await crowd.ask(ASK)
        excuses.give("of the past", codes=("engine_died",)).close(after=-1.0)
        await crowd.ask(ASK)
        excuses.give("another's request", codes=("engine_died",), tag="t1")
        await crowd.ask(ASK)
        excuses.give("its own", codes=("engine_died",), models=("alpha",))
        await crowd.ask(ASK)
    assert crowd.tally.verdicts == {WRONG: 3, REFUSED: 1}
    async with crowd_at(b"") as (crowd, excuses):
        excuses.give("the daemon is away", cuts=True)
        await crowd.ask(ASK)
    assert crowd.tally.verdicts == {BROKEN: 1}


# The report


def test_a_report_is_good_only_if_nothing_is_wrong_and_something_was_answered(capsys):
    seen = finished(ASK, 0.0, ("ok", "", ""))
    report, tally = Report(drawn(1, 0, {})), Tally()
    assert not report.is_good(tally), "nothing was done"
    tally.add(seen, OK)
    assert report.is_good(tally)
    tally.add(seen, LOST)
    assert not report.is_good(tally)
    tally.bad.clear()
    report.wrong("a fault", "a leak")
    assert not report.is_good(tally)
    report.show(tally)
    said = capsys.readouterr()
    assert "PROBLEM after a fault (seed 1): a leak" in said.err
    assert "after a fault: a leak" in said.out
    assert "Bad: " in said.out
