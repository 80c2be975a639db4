"""Whatever is sent: an answer or the end of the connection, soon; no bug of ours, nothing held, and others served.

The same requests each time. ``SWAPD_FUZZ=20000 pytest tests/web/test_fuzz.py`` tries so many, others each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from swapd.core.engine import Endpoint
from swapd.core.spec import Catalog, Launch, Retry, Service, Spec, Terms, Timeouts
from swapd.web import handler, lane, limits, surface
from swapd.web.app import create_app
from swapd.web.upstream import Upstream
from tests.web import wild
from tests.web.conftest import FakeConfig, FakeEngines, FakeGate, Hall
from tests.web.faces import furnish
from tests.web.raw import BOUND, CHAT, LAST, Line, calling, chunked, plain, post
from tests.web.test_heads import ONE_LOOP
from tests.web.wild import Wild
from tests.web.wild_bodies import TALK

EXAMPLES = int(os.environ.get("SWAPD_FUZZ", "0"))
GIVEN_UP = 0.02
"""Seconds after which the hall gives up a request that is not complete."""
ENDLESS = (b"text/event-stream", b"text/plain")
"""What may be told without end; its head is an answer."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ANSWER = re.compile(rb"HTTP/[0-9]\.[0-9] [1-5][0-9][0-9] ")
GOOD = {
    "choices": [{"message": {"content": "a"}, "delta": {"content": "a"}, "text": "a", "finish_reason": "stop"}],
    "data": [{"index": 0, "embedding": [1.0]}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}
SAID = [
    json.dumps(said).encode()
    for said in (
        *(GOOD, GOOD, GOOD, GOOD, [], 7, None, {"error": {"message": 5}}, {"choices": 7}, {"choices": [None]}),
        {"choices": [{"message": None, "delta": {"tool_calls": [{"index": "x", "function": 3}]}}]},
        {"choices": [], "usage": {"prompt_tokens": "many", "completion_tokens": -1}},
        {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 1, "id": "c", "function": {"arguments": "\ud800"}}]}}]},
        {"data": [{"index": 9, "embedding": None}], "usage": None},
        {"data": [{"index": 0, "embedding": [1.0]}], "choices": [{"delta": {}}]},
    )
] + [b"", b"\xff", b"[" * 1000]
STATUSES = (*[b"200 OK"] * 8, b"400 Bad", b"404 No", b"429 Busy", b"503 Loading")


async def engine(line: Line) -> None:
    """Answers as it is asked, by a stream or whole; which of the answers is by chance. Reads to the letter."""
    while (request := await line.request()) is not None:
        chance = zlib.crc32(request.body + request.start.encode("latin-1")) if request.body != CHAT else 0
        said, chance = SAID[chance % len(SAID)], chance // len(SAID)
        status, chance = STATUSES[chance % len(STATUSES)], chance // len(STATUSES)
        streams = b'"stream":true' in request.body.replace(b" ", b"") and status == b"200 OK"
        if chance % 20 == 19:
            return
        if request.start.startswith("HEAD"):
            await line.send(plain(b"", status=status))
        elif streams:
            events = [b"data: %s\n\n" % said, b"data: [DONE]\n\n", b""][: 2 - (chance % 5 == 4)]
            await line.send(chunked(*events, kind=b"text/event-stream") + LAST)
        else:
            await line.send(plain(said, b"Content-Type: application/json", status=status))


def routes() -> list[wild.Route]:
    """Method and pattern of every route that the house has."""
    known = Catalog({})
    gate = FakeGate(known, Endpoint("127.0.0.1", 1))
    app = create_app(gate, FakeConfig(known), FakeEngines(), Upstream(), lambda at, now: "")
    found = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    return sorted(found)


def more_models(known: Catalog) -> Catalog:
    """With one whose engine only chats, and one that takes no body that is broken."""
    bounds = Timeouts(connect=2.0, first_byte=5.0, idle=5.0)
    chats = Service(
        timeouts=bounds, retry=Retry(0, 0), abilities=frozenset(("chat", "completions", "embeddings", "tools"))
    )
    strict = Service(timeouts=bounds, retry=Retry(0, 0), strict_json=True)
    extra = [Spec(name, Launch(("x",)), Terms(service=s)) for name, s in (("chats", chats), ("strict", strict))]
    return replace(known, models={**known.models, **{spec.name: spec for spec in extra}})


@pytest.fixture
async def front(raw_hall: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Hall:
    """A hall that soon gives up who sends half of something."""
    for place in (lane, limits):
        for name in ("HALF_SENT", "BODY_IDLE", "KEEP_ALIVE"):
            monkeypatch.setattr(place, name, GIVEN_UP, raising=False)
    for option in ("keepalive_timeout", "lingering_time"):
        monkeypatch.setitem(handler.OPTIONS, option, GIVEN_UP)
    front: Hall = (await raw_hall(engine))[0]
    front.config.settings = replace(front.config.settings, state_dir=str(tmp_path))
    furnish(front, more_models(front.gate.catalog))
    return front


async def sent_alone(front: Hall, sent: Wild) -> bytes:
    """What comes back, to the end of the connection; of a whole request the head of its answer is enough."""
    got = b""
    async with calling(front.port) as caller, asyncio.timeout(BOUND):
        caller.writer.write(sent.text)
        with contextlib.suppress(ConnectionError):
            while piece := await caller.reader.read(1 << 20):
                got += piece
                head, ended, _ = got.removeprefix(CONTINUE).partition(b"\r\n\r\n")
                if ended and (sent.whole or any(kind in head for kind in ENDLESS)):
                    break
    return got.removeprefix(CONTINUE)


async def is_in_order(front: Hall, number: int) -> None:
    """Nobody holds an engine, and a good request is served in either lane."""
    async with asyncio.timeout(BOUND):
        while front.gate.holding:
            await asyncio.sleep(0)
    async with calling(front.port) as caller:
        await caller.send(post(CHAT, *([b"TE: trailers"] if number % 2 else [])))
        assert (await caller.answer()).status == 200


def bugs(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


ROUTES = routes()
SETTINGS = settings(
    max_examples=EXAMPLES or 150,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    phases=(Phase.generate,),  # to shrink one would take minutes
    suppress_health_check=list(HealthCheck),
)


@ONE_LOOP
@SETTINGS
@given(sent=wild.requests(ROUTES), number=st.integers(0, 1))
async def test_nothing_that_is_sent_brings_out_a_bug_or_a_silence(front, caplog, sent, number):
    got = await sent_alone(front, sent)
    assert got == b"" or ANSWER.match(got)
    assert b" 500 " not in got[:13] and b"internal_error" not in got
    await is_in_order(front, number)
    assert bugs(caplog) == []


def test_every_route_of_the_house_is_tried():
    assert len(ROUTES) > 60
    assert {surface.OPENAI[0], "/api/chat", "/upstream/{rest}", "/models/load"} <= {
        pattern for _, pattern in ROUTES
    }


@ONE_LOOP
@pytest.mark.parametrize(("path", "key"), [("/api/chat", "format"), ("/v1/messages", "metadata")])
async def test_json_of_any_depth_is_taken_or_refused(front, caplog, path, key):
    """To write one takes a deeper stack than to read it: somewhere in between it can be read and not written."""
    async with calling(front.port) as caller:
        for depth in range(900, 1000):
            deep = b'{"model": "chats", "%s": %s%s' % (key.encode(), b'{"a":' * depth + b"1" + b"}" * depth, b", ")
            await caller.send(post(deep + json.dumps(TALK).encode()[1:], path=path.encode()))
            assert (await caller.answer()).status != 500, depth
    assert bugs(caplog) == []
