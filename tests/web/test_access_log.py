"""One row for each request, whatever became of it."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import threading
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Ticket, Usage
from swapd.core.refusal import Reason, Refusal
from swapd.core.settings import ClientKey, LogSettings
from swapd.dispatch import Lease
from swapd.journal import configure
from swapd.web import requests_log
from swapd.web.requests_log import Row
from swapd.web.surface import HOT
from swapd.web.visit import Visit
from tests.processes import until
from tests.web.conftest import catalog
from tests.web.raw import CHAT, STREAM, calling, chunked, plain, post, replies

ANSWER = b'{"usage": {"prompt_tokens": 5, "completion_tokens": 7}}'


@pytest.fixture
def printed():
    """What the daemon's own logging prints, as JSON."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    text = io.StringIO()
    configure(LogSettings(format="json"), {}, text)
    yield text
    root.handlers[:], level = before
    root.setLevel(level)


async def rows(front, printed):
    """All that there are by now. The engine that the test plays has a log of its own."""
    await front.door._requests.close()
    told = [json.loads(line) for line in printed.getvalue().splitlines()]
    return [line for line in told if not line.get("message", "").startswith("127.0.0.1")]


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=ANSWER, content_type="application/json")


@pytest.mark.parametrize("line", [b"A: b", b"Origin: http://localhost"])  # of the express lane, and of aiohttp's
async def test_a_row_says_all_but_what_was_said(raw_hall, printed, line):
    front, _ = await raw_hall(replies(plain(ANSWER)))
    async with calling(front.port) as caller:
        send = post(CHAT, line, b"X-Request-ID: r-1").replace(b"Host: x", b"Host: localhost")
        await caller.send(send)
        assert (await caller.answer()).status == 200
    (row,) = await rows(front, printed)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", row.pop("time"))
    for name in ("total_ms", "first_byte_ms"):
        assert 0 <= row.pop(name) < 5000
    assert row == {
        "level": "info",
        "request_id": "r-1",
        "client": "127.0.0.1",
        "method": "POST",
        "route": "/v1/chat/completions",
        "model": "alpha",
        "run": 1,
        "status": 200,
        "queued_ms": 250,
        "load_ms": 1500,
        "prompt_tokens": 5,
        "completion_tokens": 7,
    }


async def test_refusals_are_told_with_what_went_wrong(hall, printed):
    front = await hall(echo)
    ask = front.client.request
    front.config.settings = replace(
        front.config.settings,
        clients=(ClientKey("ada", "ada-secret", concurrency=0), ClientKey("bob", "bob-secret")),
    )
    ada, bob = {"X-API-Key": "ada-secret"}, {"X-API-Key": "bob-secret"}
    asked = [
        (ask("POST", HOT[0], json={"model": "alpha"}), ("127.0.0.1", HOT[0], 401, "invalid_api_key")),
        (ask("POST", HOT[0], data=b"{", headers=bob), ("bob", HOT[0], 400, "bad_request")),
        (ask("POST", HOT[0], json={"model": "alpha"}, headers=ada), ("ada", HOT[0], 429, "rate_limit_exceeded")),
        (ask("GET", "/secret/path"), ("127.0.0.1", "-", 404, "not_found")),
        (ask("GET", "/upstream/alpha/secret", headers=bob), ("bob", "/upstream", 200, None)),
        (ask("GET", "/v1/models/alpha", headers=bob), ("bob", "/v1/models/{id}", 404, "model_not_found")),
        (ask("GET", "/ready", headers={"Host": "evil.example"}), ("127.0.0.1", "/ready", 403, "not_permitted")),
    ]
    front.gate.scheduler = type(front.gate.scheduler)()  # the list is empty: `alpha` is not found there
    for asking, _ in asked:
        await asking
    front.limit(body=2)
    await ask("POST", HOT[0], json={"model": "alpha"}, headers=bob)
    found = await rows(front, printed)
    told = [(row["client"], row["route"], row["status"], row.get("error")) for row in found]
    assert told == [want for _, want in asked] + [("bob", HOT[0], 413, "request_too_large")]
    assert found[2]["model"] == "alpha"
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize(
    ("headers", "about"),
    [
        ({"Host": "evil.example"}, "Host evil.example"),
        ({"Origin": "https://evil.example"}, "Origin https://evil.example"),
        ({"Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site cross-site"),
        ({"Origin": "https://" + "x" * 300}, "Origin https://" + "x" * 85),
    ],
)
async def test_who_was_kept_out_is_told_by_what_gave_him_away(hall, printed, headers, about):
    front = await hall(echo)
    for path in (HOT[0], "/admin/unload", "/api/chat"):
        assert (await front.client.post(path, json={"model": "alpha"}, headers=headers)).status == 403
    found = await rows(front, printed)
    told = {row.get("about", "") for row in found}
    assert len(told) == 1
    assert about.startswith(told.pop())
    assert {row["error"] for row in found} == {"not_permitted"}


async def test_an_engine_that_refuses_and_one_that_breaks_off(raw_hall, printed):
    async def talk(line):
        await line.request()
        await line.send(chunked(b"data: 1\n\n", kind=b"text/event-stream"))

    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        await caller.send(post(STREAM))
        assert b"engine_died" in (await caller.answer()).body
    front.gate.refusal = Refusal(Reason.QUEUE_FULL, "alpha")
    async with calling(front.port) as caller:
        await caller.send(post())
        assert (await caller.answer()).status == 503
    cut, full = await rows(front, printed)
    assert (cut["status"], cut["error"], cut["model"]) == (200, "engine_died", "alpha")
    assert (full["status"], full["error"], full["model"]) == (503, "queue_full", "alpha")
    assert "run" not in full


@pytest.mark.parametrize("line", [b"A: b", b"Origin: http://localhost"])
async def test_a_client_that_leaves_is_told_as_that(raw_hall, printed, line):
    asked = asyncio.Event()

    async def talk(engine):
        await engine.request()
        asked.set()
        await engine.left()

    front, _ = await raw_hall(talk)
    async with calling(front.port) as caller:
        await caller.send(post(STREAM, line).replace(b"Host: x", b"Host: localhost"))
        await asked.wait()
    await until(lambda: front.door._requests._rows)
    (row,) = await rows(front, printed)
    assert (row["status"], row["error"], row["model"]) == (499, "client_left", "alpha")


async def test_machines_that_only_look_are_not_told(hall, printed):
    front = await hall(echo)
    for path in ("/health", "/ready"):
        assert (await front.client.get(path)).status == 200
    assert await rows(front, printed) == []


async def test_who_wants_no_rows_gets_none(hall, printed):
    front = await hall(echo)
    front.config.settings = replace(front.config.settings, log=LogSettings(access=False))
    assert (await front.client.get("/v1/models")).status == 200
    assert await rows(front, printed) == []


async def test_rows_come_by_themselves_and_the_last_ones_when_the_door_closes(hall, printed, monkeypatch):
    monkeypatch.setattr(requests_log, "PAUSE", 0.01)
    front = await hall(echo)
    await front.client.get("/v1/models")
    await until(printed.getvalue)
    await front.client.get("/v1/models")
    await front.door.close()
    assert len(printed.getvalue().splitlines()) == 2


async def test_more_than_can_be_told_are_counted(hall, printed, monkeypatch):
    monkeypatch.setattr(requests_log, "MOST", 2)
    front = await hall(echo)
    for _ in range(5):
        await front.client.get("/v1/models")
    *told, last = await rows(front, printed)
    assert len(told) == 2
    assert (last["level"], last["message"][:26]) == ("warning", "3 more requests are not in")


def row(model: str = "alpha", code: str = "") -> Row:
    visit = Visit(b"X-Request-ID: r-1\r\nVary: Origin\r\n", "127.0.0.1", "POST /v1/rerank", 100.0)
    visit.model, visit.status, visit.code = model, b"200 OK", code
    return Row(visit, visit.sender, None, 100.25)


def test_for_people_it_is_a_short_line(printed):
    text = io.StringIO()
    configure(LogSettings(format="text"), {}, text)
    log = logging.getLogger("swapd.access")
    log.info("2 requests", extra={"rows": [(0.1, row()), (0.0, row(code="engine_died"))]})
    first, second = text.getvalue().splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO    "
    words = "POST /v1/rerank 200 in 250 ms request_id=r-1 client=127.0.0.1 model=alpha"
    assert re.fullmatch(stamp + words, first)
    assert re.fullmatch(f"{stamp}{words} error=engine_died", second)


def test_a_name_that_a_client_made_up_is_short_and_harmless():
    told = row("\x1b[2J\nPOST\u202e\udc80" + "x" * 1000)
    assert str(told).isprintable()
    assert len(str(told)) < 300
    json.dumps(told.fields()).encode()


def test_tokens_are_told_where_the_engine_did():
    class Lease:
        from swapd.core.engine import RunId

        run, queued, loaded = RunId("alpha", 3), 0.5, 0.0
        spec = type("Spec", (), {"name": "alpha"})
        usage = Usage(None, 5, None)

    told = row()._replace(lease=Lease()).fields()
    assert (told["run"], told["queued_ms"], told["load_ms"], told["prompt_tokens"]) == (3, 500, 0, 5)
    assert "first_byte_ms" not in told
    assert "completion_tokens" not in told


@pytest.mark.parametrize("usage", [Usage(0.0125, 7, 9), Usage(0.0125), None])
def test_a_row_says_as_text_what_it_says_in_fields(usage):
    lease = Lease(Ticket(1), RunId("alpha", 3), Endpoint("127.0.0.1", 1), catalog().models["alpha"], 0.25, 1.5)
    lease.usage = usage
    told = row()._replace(lease=lease)
    found = told.fields()
    start = f"{found.pop('method')} {found.pop('route')} {found.pop('status')} in {found.pop('total_ms')} ms"
    assert str(told) == " ".join([start, *[f"{name}={value}" for name, value in found.items()]])


async def test_a_log_that_nobody_takes_holds_up_no_end(hall, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(requests_log, "LAST", 0.05)
    monkeypatch.setattr(requests_log, "_write", lambda rows, lost: stuck.wait(10))

    async def engine(request):
        return web.json_response({})

    front = await hall(engine)
    await front.client.post(HOT[0], json={"model": "alpha"})
    try:
        async with asyncio.timeout(5):
            await front.door._requests.close()
    finally:
        stuck.set()
