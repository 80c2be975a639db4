"""Forms with files: the model is a field of the form, and nobody holds the form in memory.

The engines are played: by a fake written from OpenAI's documentation, or byte by byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import resource
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from swapd.core.engine import RunId
from swapd.core.events import EngineExited
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import ClientKey
from swapd.core.spec import Timeouts
from swapd.web import limits
from tests.fakes import openai_forms
from tests.web.conftest import Hall
from tests.web.raw import Caller, Line, calling, plain
from tests.web.test_form import BEFORE, TYPE, body, part
from tests.web.test_heads import ONE_LOOP

PATH = b"/v1/audio/transcriptions"
LARGE = os.urandom(1 << 16) * 48
"""3 MiB, more than is held."""
OWN = b'{"text": "from the engine"}'


def file(data: bytes) -> bytes:
    return part("file", data, '; filename="a.wav"\r\nContent-Type: audio/wav')


def form(model: str = "alpha", data: bytes = LARGE) -> bytes:
    return body(file(data), part("model", model.encode()))


def head(length: int | None, *lines: bytes, path: bytes = PATH, kind: str = TYPE) -> bytes:
    framed = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    start = b"POST %s HTTP/1.1" % path
    return b"\r\n".join([start, b"Host: x", b"Content-Type: " + kind.encode(), framed, *lines]) + b"\r\n\r\n"


async def ask(caller: Caller, text: bytes, *lines: bytes, path: bytes = PATH, kind: str = TYPE) -> Any:
    await caller.send(head(len(text), *lines, path=path, kind=kind) + text)
    return await caller.answer()


def spools(folder: Path) -> list[str]:
    """The files in the folder that this process holds, with a name or without."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(fd.readlink()))
    return [name for name in found if name.startswith(str(folder))]


async def until(fact: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not fact():
            await asyncio.sleep(0.005)


def at_home(front: Hall, folder: Path) -> Hall:
    front.config.settings = replace(front.config.settings, state_dir=str(folder))
    return front


async def nothing_is_left(front: Hall, folder: Path) -> None:
    await until(lambda: not spools(folder) and not front.gate.holding)
    assert [name for _, _, names in os.walk(folder) for name in names] == []


@pytest.fixture
async def forms(hall: Any, tmp_path: Path) -> AsyncIterator[Hall]:
    """Over the fake that reads forms."""
    front = at_home(await hall(openai_forms.answer), tmp_path)
    yield front
    await nothing_is_left(front, tmp_path)


@pytest.fixture
async def played(raw_hall: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """``await played(talk)``: over an engine whose every byte the test writes."""
    built: list[Hall] = []

    async def build(talk: Any) -> Any:
        front, engine = await raw_hall(talk)
        built.append(at_home(front, tmp_path))
        return front, engine

    yield build
    for front in built:
        await nothing_is_left(front, tmp_path)


async def answers(line: Line) -> None:
    while await line.request() is not None:
        await line.send(plain(OWN))


async def head_of(line: Line) -> bytes:
    return await line.reader.readuntil(b"\r\n\r\n")


def takes_nothing(line: Line) -> None:
    line.reader._transport.pause_reading()  # type: ignore[attr-defined]


def timeouts(front: Hall, **bounds: float) -> None:
    """Of the model ``once``, which is not tried again."""
    models = front.gate.catalog.models
    spec = models["once"]
    service = replace(spec.terms.service, timeouts=Timeouts(**{"connect": 2.0, **bounds}))
    models["once"] = replace(spec, terms=replace(spec.terms, service=service))  # type: ignore[index]


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # of two of them, by the SDK itself
async def test_the_sdk_of_openai_uploads_to_all_four(forms):
    digest = hashlib.sha256(LARGE).hexdigest()
    sound, picture = ("a.wav", LARGE), ("a.png", LARGE, "image/png")
    url = f"http://127.0.0.1:{forms.port}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
        told = await client.audio.transcriptions.create(model="alpha", file=sound)
        assert told.text == f"alpha {digest}"
        assert (await client.audio.translations.create(model="org/beta", file=sound)).text == f"Org/Real {digest}"
        stream = await client.audio.transcriptions.create(model="alpha", file=sound, stream=True)
        assert [event.type async for event in stream] == ["transcript.text.delta"] * 2 + ["transcript.text.done"]
        for made in (
            await client.images.edit(model="alpha", image=picture, prompt="a hat"),
            await client.images.create_variation(model="alpha", image=picture),
        ):
            assert made.data and made.data[0].b64_json
    assert [name for name, _ in forms.gate.asked] == ["alpha", "org/beta", "alpha", "alpha", "alpha"]


@pytest.mark.parametrize("text", [BEFORE.replace(b"whisper", b"alpha"), form()], ids=["small", "large"])
async def test_a_form_goes_on_to_the_byte_with_its_length_at_the_full_path(played, text):
    front, engine = await played(answers)
    async with calling(front.port) as caller:
        answer = await ask(caller, text, b"X-Own: 1", b"X-Api-Key: k", path=PATH.removeprefix(b"/v1") + b"?a=b")
        assert (answer.status, answer.body, answer.get("X-Swapd-Model")) == (200, OWN, "alpha")
        half = len(text) // 2
        chunks = (b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (text[:half], text[half:]))
        await caller.send(head(None), *chunks, b"0\r\n\r\n")
        assert (await caller.answer()).body == OWN
    assert engine.bodies == [text, text]
    first = engine.heard[0]
    assert first.start == "POST /v1/audio/transcriptions?a=b HTTP/1.1"
    assert (first.get("Content-Type"), first.get("X-Own"), first.all("X-Api-Key")) == (TYPE, "1", [])
    assert first.framing == "length"


@pytest.mark.parametrize(
    ("sent", "query", "got"),
    [
        (body(part("model", b"org/beta"), file(LARGE)), b"", body(part("model", b"Org/Real"), file(LARGE))),
        (body(file(LARGE), part("model", b"org/beta")), b"", body(file(LARGE), part("model", b"Org/Real"))),
        (body(part("model", b""), file(b"x")), b"?model=org/beta", body(part("model", b"Org/Real"), file(b"x"))),
        (body(file(LARGE)), b"?model=org/beta", body(part("model", b"Org/Real"), file(LARGE))),
        (body(file(b"x")), b"?model=alpha", body(file(b"x"))),
        (body(file(b"x"), part("model", b"gpt-4o")), b"", body(file(b"x"), part("model", b"gpt-4o"))),
    ],
    ids=["before", "behind", "empty", "missing", "missing, same name", "an alias"],
)
async def test_only_the_engines_own_name_is_put_in(played, sent, query, got):
    front, engine = await played(answers)
    async with calling(front.port) as caller:
        assert (await ask(caller, sent, path=PATH + query)).status == 200
    assert engine.bodies == [got]


@ONE_LOOP
@pytest.mark.parametrize(
    ("text", "kind", "status", "code", "why"),
    [
        (b'{"model": "alpha"}', "application/json", 400, "bad_request", "takes multipart/form-data"),
        (form(), "multipart/form-data", 400, "bad_request", "no boundary"),
        (form() + b"x", f"{TYPE}x", 400, "bad_request", "cannot read the form"),
        (form()[:-9], TYPE, 400, "bad_request", "ends before its last boundary"),
        (body(part("model", b"alpha"), part("model", b"alpha")), TYPE, 400, "bad_request", "two fields 'model'"),
        (body(file(LARGE)), TYPE, 400, "model_required", "names none"),
        (form("gone"), TYPE, 404, "model_not_found", "gone"),
        (form("x" * 201), TYPE, 404, "model_not_found", "at most 200 characters"),
        (form("x" * 99_999), TYPE, 404, "model_not_found", "at most 200 characters"),
        (form("a\nb"), TYPE, 404, "model_not_found", "cannot be printed"),
    ],
)
async def test_a_form_that_means_no_model_is_refused(forms, text, kind, status, code, why):
    forms.gate.refusal = Refusal(Reason.UNKNOWN_MODEL, "gone")
    async with forms.client.post(PATH.decode(), data=io.BytesIO(text), headers={"Content-Type": kind}) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (status, code)
    assert why in error["message"]
    assert [name for name, _ in forms.gate.asked] == (["gone"] if why == "gone" else [])


@ONE_LOOP
@pytest.mark.parametrize(
    ("lines", "status", "why"),
    [
        ([b"Content-Encoding: gzip"], 400, "compressed"),
        ([b"Authorization: Bearer wrong"], 401, "no or wrong key"),
    ],
)
@pytest.mark.parametrize("expects", [[], [b"Expect: 100-continue"]])
async def test_what_can_be_told_by_the_head_is_told_before_the_body_comes(forms, lines, status, why, expects):
    forms.config.settings = replace(forms.config.settings, clients=(ClientKey("me", "secret-key"),))
    keys = [] if status == 401 else [b"X-Api-Key: secret-key"]
    async with calling(forms.port) as caller:
        await caller.send(head(1 << 30, *lines, *keys, *expects))
        answer = await caller.answer()
    assert answer.status == status
    assert why.encode() in answer.body


@ONE_LOOP
async def test_a_key_that_is_not_for_the_model_is_refused_once_that_is_known(forms):
    client = ClientKey("me", "secret-key", models=("org/*",))
    forms.config.settings = replace(forms.config.settings, clients=(client,))
    async with calling(forms.port) as caller:
        assert (await ask(caller, form(), b"X-Api-Key: secret-key")).status == 403
        assert (await ask(caller, form("org/beta"), b"X-Api-Key: secret-key")).status == 200
    assert forms.gate.asked == [("org/beta", "me")]


@ONE_LOOP
async def test_an_upload_has_a_limit_of_its_own_kept_by_what_is_said_and_by_what_comes(forms):
    forms.limit(body=1000, upload=10_000)
    text = form(data=b"x" * 9_000)
    async with calling(forms.port) as caller:
        await caller.send(head(len(text), b"Expect: 100-continue"))
        assert (await caller.answer()).status == 100
        await caller.send(text)
        assert (await caller.answer()).status == 200
    for lines in ([], [b"Expect: 100-continue"]):
        async with calling(forms.port) as caller:
            await caller.send(head(10_001, *lines))
            answer = await caller.answer()
            assert (answer.status, b"(limits.upload)" in answer.body) == (413, True)
    async with calling(forms.port) as caller:
        await caller.send(head(None), b"2711\r\n" + form()[:10_001])
        assert (await caller.answer()).status == 413


@ONE_LOOP
@pytest.mark.parametrize("first", [b"--b0\r\n", form()[: 2 << 20]], ids=["in memory", "on disk"])
async def test_a_sender_that_stalls_holds_no_engine_and_is_given_up(forms, monkeypatch, first):
    monkeypatch.setattr(limits, "BODY_IDLE", 0.05)
    async with calling(forms.port) as caller:
        await caller.send(head(1 << 30) + first)
        answer = await caller.answer()
    assert (answer.status, b"no byte for 0.05 s" in answer.body) == (400, True)
    assert forms.gate.asked == []


async def test_while_it_comes_it_lies_on_disk_under_no_name_and_is_gone_with_its_sender(forms, tmp_path):
    async with calling(forms.port) as caller:
        await caller.send(head(1 << 30) + form()[:-9])
        await until(lambda: spools(tmp_path))
        assert list((tmp_path / "uploads").iterdir()) == []
        assert forms.gate.asked == []
    await nothing_is_left(forms, tmp_path)


@ONE_LOOP
@pytest.mark.parametrize("data", [b"small", LARGE])
async def test_no_room_on_the_disk_is_said_and_no_bug(forms, tmp_path, data):
    (tmp_path / "uploads").write_bytes(b"a file where the folder should be")
    async with calling(forms.port) as caller:
        answer = await ask(caller, form(data=data))
    (tmp_path / "uploads").unlink()
    if data is LARGE:
        assert (answer.status, answer.get("x-should-retry")) == (507, "false")
        assert b"cannot keep the upload: " in answer.body
        assert b"state_dir" in answer.body
    else:
        assert answer.status == 200


@ONE_LOOP
async def test_a_disk_that_is_full_is_said_and_no_bug(forms, tmp_path):
    """The process may write no file beyond 2 MiB: the kernel's word for it is another, the way is the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, hard))
    try:
        async with calling(forms.port) as caller:
            answer = await ask(caller, form())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (answer.status, b"File too large" in answer.body) == (507, True)


async def test_an_engine_that_answers_before_the_end_gets_no_more_and_its_answer_is_told(played):
    async def talk(line: Line) -> None:
        await head_of(line)
        await line.send(b"HTTP/1.1 100 Continue\r\n\r\n", plain(b"too much for me", status=b"413 Too Large"))
        await asyncio.sleep(60)

    front, engine = await played(talk)
    async with calling(front.port) as caller:
        for n in (1, 2):
            answer = await ask(caller, form(data=LARGE * 4))
            assert (answer.status, answer.body) == (413, b"too much for me")
            assert len(engine.lines) == n, "a connection with half a request is not used again"


async def test_an_engine_that_breaks_off_is_sent_the_whole_form_again(played):
    async def talk(line: Line) -> None:
        if line.n == 1:
            await head_of(line)
            await line.reader.readexactly(1 << 20)
            line.reset()
        await answers(line)

    front, engine = await played(talk)
    async with calling(front.port) as caller:
        assert (await ask(caller, form(data=LARGE * 4))).body == OWN
    assert engine.bodies == [form(data=LARGE * 4)]


@ONE_LOOP
async def test_the_first_byte_is_waited_for_only_when_the_last_of_the_form_is_out(played):
    async def talk(line: Line) -> None:
        length = int((await head_of(line)).partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        takes_nothing(line)
        await asyncio.sleep(0.6)
        line.reader._transport.resume_reading()  # type: ignore[attr-defined]
        await line.reader.readexactly(length)
        if line.n == 1:
            await line.send(plain(OWN))
        await line.left()

    front, _ = await played(talk)
    timeouts(front, first_byte=0.4, idle=5.0)
    async with calling(front.port) as caller:
        assert (await ask(caller, form("once", LARGE * 5))).body == OWN
        answer = await ask(caller, form("once", LARGE * 5))
    assert (answer.status, b"0.4 s (timeouts.first_byte)" in answer.body) == (504, True)


@pytest.mark.parametrize(
    ("bounds", "why"),
    [
        ({"first_byte": 5.0, "idle": 0.1}, b"it took nothing of the request for 0.1 s (timeouts.idle)"),
        ({"first_byte": 5.0, "idle": 5.0, "total": 0.1}, b"it took longer than 0.1 s (timeouts.total)"),
    ],
)
async def test_an_engine_that_takes_nothing_is_given_up(played, bounds, why):
    async def talk(line: Line) -> None:
        await head_of(line)
        takes_nothing(line)
        await asyncio.sleep(60)

    front, _ = await played(talk)
    timeouts(front, **bounds)
    async with calling(front.port) as caller:
        answer = await ask(caller, form("once", LARGE * 5))
    assert (answer.status, why in answer.body) == (504, True)
    assert not front.gate.kept, "nobody computes what has not come"


async def test_a_client_that_leaves_while_its_form_is_sent_frees_the_engine_at_once(played):
    async def talk(line: Line) -> None:
        await head_of(line)
        takes_nothing(line)
        await asyncio.sleep(60)

    front, _ = await played(talk)
    text = form("once", LARGE * 5)
    async with calling(front.port) as caller:
        await caller.send(head(len(text)) + text)
        await until(lambda: front.gate.holding)
    await until(lambda: not front.gate.holding)
    assert not front.gate.kept


async def test_an_engine_that_is_told_to_stop_while_it_is_sent_a_form_is_left(played):
    async def talk(line: Line) -> None:
        await head_of(line)
        takes_nothing(line)
        await asyncio.sleep(60)

    front, _ = await played(talk)
    text = form("once", LARGE * 5)
    async with calling(front.port) as caller:
        await caller.send(head(len(text)) + text)
        await until(lambda: front.gate.holding)
        front.hear(EngineExited(RunId("once", 1), Exit()))
        assert (await caller.answer()).status == 502


def rss() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@ONE_LOOP
async def test_what_is_uploaded_is_never_held_in_memory(played):
    """100 MB, through the daemon's side, the client's and the engine's, all in this process."""
    total, seen = 100 << 20, [rss()]

    async def talk(line: Line) -> None:
        left = int((await head_of(line)).partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
        while left:
            left -= len(await line.reader.read(1 << 18))
            seen.append(rss())
        await line.send(plain(OWN))

    async def sent(text: bytes) -> AsyncIterator[bytes]:
        yield text[:-9]
        for _ in range(total >> 18):
            seen.append(rss())
            yield bytes(1 << 18)
        yield b"\r\n--b0--\r\n"

    front, _ = await played(talk)
    start = body(part("model", b"alpha"), file(b""))
    async with front.client.post(PATH.decode(), data=sent(start), headers={"Content-Type": TYPE}) as answer:
        assert (answer.status, await answer.read()) == (200, OWN)
    assert len(seen) > 2 * (total >> 18)
    assert max(seen) - seen[0] < 20 << 20


async def test_whoever_may_ask_for_no_more_is_told_so_before_a_form_takes_room(forms, tmp_path):
    client = ClientKey("me", "secret-key", concurrency=1)
    forms.config.settings = replace(forms.config.settings, clients=(client,))
    key, text = b"X-API-Key: secret-key", form()
    async with calling(forms.port) as first, calling(forms.port) as second:
        await first.send(head(len(text), key) + text[:-1])
        await until(lambda: spools(tmp_path))
        await second.send(head(len(text), key))
        assert (await second.answer()).status == 429
        await first.send(text[-1:])
        assert (await first.answer()).status == 200
