"""Every way of being refused, in the shape of each API: at once, behind comments, in the middle of an answer."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from swapd.core.spec import Timeouts
from swapd.web import errors
from swapd.web.errors import Form
from tests.web.conftest import Hall
from tests.web.faces import FACES, LEASE, STREAM, Face, Row, furnish
from tests.web.raw import LAST, Caller, Cut, Line, Message, calling, chunked, plain
from tests.web.refusals_table import ROWS, catalog
from tests.web.test_heads import ONE_LOOP

PLAIN = Row("", errors.INTERNAL, "", ())
"""No refusal, but a request as such."""
STREAMED = [face for face in FACES if STREAM in face.has]
COMMENTED = [face for face in STREAMED if face.api != "ollama"]
"""NDJSON has no comments."""


@pytest.fixture
def stage(raw_hall: Any) -> Callable[..., Awaitable[Hall]]:
    """``await stage(talk)``: the front hall with the table's models, over an engine that the test plays."""

    async def build(talk: Callable[[Line], Awaitable[None]]) -> Hall:
        front, _ = await raw_hall(talk)
        furnish(front, catalog())
        return front

    return build


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """The bugs that were logged; who has seen them need not answer for them."""

    def seen() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        caplog.clear()
        return found

    yield seen


def plays(row: Row) -> Callable[[Line], Awaitable[None]]:
    """The engine's part."""

    async def talk(line: Line) -> None:
        while await line.request() is not None:
            if row.waits:
                await line.left()
            if row.dies or row.waits:
                return
            await line.send(plain(b"{}"))

    return talk


def fits(row: Row, face: Face) -> bool:
    return set(row.needs) <= set(face.has)


def said(face: Face, row: Row, body: bytes) -> str:
    """The message, of a body that is in the shape of the face's API and in no other."""
    told = json.loads(body)
    if face.api == "ollama":
        assert list(told) == ["error"]
        return str(told["error"])
    message = told["error"].pop("message")
    if face.api == "anthropic":
        assert told == {"type": "error", "error": {"type": row.anthropic}}
    else:
        assert told == {"error": {"type": row.form.type, "param": row.param, "code": row.form.code}}
    return str(message)


def check_words(face: Face, row: Row, body: bytes) -> None:
    message = said(face, row, body)
    for words in row.words:
        assert words.format(kind=face.kind) in message


def check(face: Face, row: Row, answer: Message) -> None:
    assert (answer.status, answer.framing) == (row.form.status, "length")
    assert answer.get("Content-Type").startswith("application/json")
    assert answer.get("X-Request-ID")
    for name, pattern in row.headers.items():
        assert re.fullmatch(pattern, answer.get(name)), (name, answer.headers)
    check_words(face, row, answer.body)


@ONE_LOOP
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_refusal_has_the_shape_of_the_api_that_was_called(row, stage, logged):
    front = await stage(plays(row))
    row.given(front)
    asked = [face for face in FACES if fits(row, face)]
    for face in asked:
        async with calling(front.port) as caller:
            if row.form is errors.RATE_LIMITED:
                await caller.send(face.ask(row))
                await caller.answer()
            await caller.send(face.ask(row))
            try:
                check(face, row, await caller.answer())
            except (AssertionError, Cut) as error:
                raise AssertionError(f"at {face.name}") from error
    assert not front.gate.holding
    assert len(logged()) == (len(asked) if row.form is errors.INTERNAL else 0)


async def refused_late(front: Hall, face: Face, row: Row) -> bytes:
    """What comes behind the first comment, to the end of the stream."""
    front.gate.open.clear()
    async with calling(front.port) as caller:
        await caller.send(face.ask(row, stream=True))
        head = await caller.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        await caller.reader.readuntil(b": waiting\n\n\r\n")
        front.gate.open.set()
        return await _stream(caller)


async def _stream(caller: Caller) -> bytes:
    """The chunks of a stream to its last, which must come."""
    rest = await caller.reader.readuntil(LAST)
    body = re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", rest.removesuffix(LAST)).removesuffix(b"\r\n")
    return re.sub(rb": [a-z]+\n\n", b"", body)


@ONE_LOOP
@pytest.mark.parametrize("row", [row for row in ROWS if row.late], ids=lambda row: row.name)
async def test_behind_comments_it_is_an_event_and_nothing_follows(row, stage, logged):
    front = await stage(plays(row))
    front.config.settings = replace(front.config.settings, keepalive_comments=0.002)
    row.given(front)
    for face in COMMENTED:
        event = (await refused_late(front, face, row)).decode()
        start = "event: error\ndata: " if face.api == "anthropic" else "data: "
        assert event.startswith(start) and event.endswith("\n\n"), face.name
        check_words(face, row, event.removeprefix(start).encode())
    assert not front.gate.holding
    assert len(logged()) == (len(COMMENTED) if row.form is errors.INTERNAL else 0)


@ONE_LOOP
@pytest.mark.parametrize("row", [row for row in ROWS if row.late], ids=lambda row: row.name)
async def test_clients_of_ollama_get_no_comments_but_the_status(row, stage, logged):
    front = await stage(plays(row))
    front.config.settings = replace(front.config.settings, keepalive_comments=0.002)
    row.given(front)
    for face in STREAMED:
        if face.api == "ollama":
            async with calling(front.port) as caller:
                await caller.send(face.ask(row, stream=True))
                check(face, row, await caller.answer())
    logged()


# -- in the middle of an answer ----------------------------------------------------------------------------

DELTA = b'data: {"choices": [{"index": 0, "text": "so", "delta": {"content": "so"}}]}\n\n'
BEGUN = chunked(DELTA, kind=b"text/event-stream")
BROKEN = Row("", errors.BY_REASON[errors.Reason.ENGINE_DIED], "api_error", ("cannot finish the request", "died"))


async def dies(line: Line) -> None:
    await line.request()
    await line.send(BEGUN)


async def is_silent(line: Line) -> None:
    await line.request()
    await line.send(BEGUN)
    await line.left()


async def talks_on(line: Line) -> None:
    await line.request()
    await line.send(BEGUN)
    while not line.writer.is_closing():
        await line.send(b"%x\r\n%s\r\n" % (len(DELTA), DELTA))


ENDS = {
    "dies": (dies, Timeouts(), ""),
    "falls silent": (is_silent, Timeouts(idle=0.05), "(timeouts.idle)"),
    "never ends": (talks_on, Timeouts(total=0.05), "(timeouts.total)"),
}


def bounded(front: Hall, bounds: Timeouts) -> None:
    models = front.gate.catalog.models
    for name, spec in models.items():
        service = replace(spec.terms.service, timeouts=bounds)
        models[name] = replace(spec, terms=replace(spec.terms, service=service))  # type: ignore[index]


@ONE_LOOP
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("face", STREAMED, ids=lambda face: face.name)
async def test_in_the_middle_of_a_stream_it_is_the_last_event_and_there_is_no_done(face, how, stage):
    talk, bounds, why = ENDS[how]
    front = await stage(talk)
    bounded(front, bounds)
    async with calling(front.port) as caller:
        await caller.send(face.ask(PLAIN, stream=True))
        head = await caller.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        told = await _stream(caller)
    assert b"so" in told
    assert b"[DONE]" not in told and b"message_stop" not in told and b'"done":true' not in told
    *_, last = told.rstrip(b"\n").split(b"\n")
    if face.api == "anthropic":
        assert told.rstrip(b"\n").split(b"\n")[-2] == b"event: error"
    check_words(face, BROKEN, last.removeprefix(b"data: "))
    assert why.encode() in last
    assert not front.gate.holding


@ONE_LOOP
@pytest.mark.parametrize("face", [face for face in FACES if LEASE in face.has], ids=lambda face: face.name)
async def test_any_other_answer_is_cut_or_if_none_of_it_is_out_refused(face, stage):
    async def breaks_off(line: Line) -> None:
        await line.request()
        await line.send(chunked(b'{"choices": ['))

    front = await stage(breaks_off)
    async with calling(front.port) as caller:
        await caller.send(face.ask(PLAIN))
        try:
            answer = await caller.answer()
        except Cut as cut:
            assert cut.part == b'{"choices": ['
        else:
            check(face, BROKEN, answer)
    assert not front.gate.holding


def test_every_form_is_in_some_row():
    forms = {form for form in [*vars(errors).values(), *errors.BY_REASON.values()] if isinstance(form, Form)}
    assert forms == {row.form for row in ROWS}


def test_every_row_is_tried_at_each_face_that_it_fits():
    apis = {api: [face for face in FACES if face.api == api] for api in ("openai", "anthropic", "ollama")}
    for row in ROWS:
        missing = [api for api, faces in apis.items() if not any(fits(row, face) for face in faces)]
        assert missing == ([] if row.form is not errors.NO_STORAGE else ["anthropic", "ollama"]), row.name
