"""Engines that somebody else runs: asked as their kind wants, never started, and sent only what is theirs."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from swapd.core.engine import RunId
from swapd.core.events import EngineReady, EngineSick
from swapd.core.kinds import KINDS
from swapd.core.spec import Launch
from swapd.core.urls import endpoint_of
from swapd.engines import look, remote
from swapd.engines.look import NOT_HTTP, Answer, Broken, Doubt, Question
from tests.fakes.kinds import CERTIFICATE, DOCUMENTED, Fake, served
from tests.processes import until

KEY = "k-of-the-desk"


def launch(url: str, kind: str, key: str | None = KEY) -> Launch:
    row = KINDS[kind]
    line = "" if key is None else row.key + key
    return Launch((), health=row.health, loading=row.loading, url=url, key=line)


@pytest.fixture
def hurried(monkeypatch) -> None:
    """Looks that come sooner, and are believed sooner."""
    for name in ("FIRST", "SLOWEST", "AGAIN", "SOON"):
        monkeypatch.setattr(remote, name, 0.01)
    for name in ("BROKEN", "SURELY"):
        monkeypatch.setattr(look, name, 0.03)


async def let_go(room, run: RunId) -> None:
    """And wait until no look is under way: a server that is closed meanwhile would leave its end of it open."""
    room.terminate(run)
    await room.exit(run)
    await until(lambda: not any(task.get_name() == f"ask {run}" for task in asyncio.all_tasks()))


@pytest.mark.parametrize("kind", DOCUMENTED)
async def test_a_remote_engine_of_each_kind_is_ready_when_it_says_so_and_let_go_at_once(room, kind):
    fake = Fake(kind, KEY)
    async with served(fake) as url:
        run = room.spawn(launch(f"{url}/v1", kind))
        ready = await room.hears(EngineReady, run)
        assert (str(ready.endpoint), ready.endpoint.key) == (url, f"Authorization: Bearer {KEY}")
        assert (room.supervisor.pid(run), room.supervisor.memory(run)) == (None, None)
        assert room.supervisor.members([run]) == {run: []}
        room.terminate(run, "never", "run")
        assert str(await room.exit(run)) == "let go: it is not swapd's to stop"
    (asked,) = fake.heard
    assert (asked[0], asked[1]["authorization"]) == (KINDS[kind].health, f"Bearer {KEY}")
    assert KEY not in "\n".join(room.log())


@pytest.mark.parametrize("kind", [kind for kind, says in DOCUMENTED.items() if says.loading])
async def test_one_that_says_it_is_loading_is_waited_for(room, kind, hurried):
    fake = Fake(kind, up=False)
    async with served(fake) as url:
        run = room.spawn(launch(url, kind, None))
        await until(lambda: len(fake.heard) > 5)
        assert room.events == []
        fake.up = True
        await room.hears(EngineReady, run)
        await asyncio.wait_for(room.says(f"is not ready yet: it answers with {DOCUMENTED[kind].loading}"), 5)
        assert all("authorization" not in headers for _, headers, _ in fake.heard)
        await let_go(room, run)


async def test_one_that_is_not_there_yet_is_waited_for(room, hurried):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    run = room.spawn(launch(f"http://127.0.0.1:{port}", "vllm"))
    await room.says(f"http://127.0.0.1:{port} does not answer: ")
    assert room.events == []
    async with served(Fake("vllm"), port):
        await room.hears(EngineReady, run)
        await let_go(room, run)


async def test_one_that_was_let_go_before_it_was_ready_is_asked_no_more(room, hurried):
    fake = Fake("sglang", up=False)
    async with served(fake) as url:
        run = room.spawn(launch(url, "sglang"))
        await until(lambda: fake.heard)
        room.kill(run)
        await room.exit(run)
        asked = len(fake.heard)
        fake.up = True
        assert [type(event).__name__ for event in room.events] == ["EngineExited"]
        await until(lambda: not any(task.get_name() == f"ask {run}" for task in asyncio.all_tasks()))
        assert len(fake.heard) == asked


@pytest.mark.parametrize("kind", [kind for kind in DOCUMENTED if KINDS[kind].health == "/v1/models"])
async def test_a_wrong_key_is_told_without_showing_it(room, kind, hurried):
    async with served(Fake(kind, "another")) as url:
        run = room.spawn(launch(url, kind))
        sick = await room.hears(EngineSick, run)
    assert sick.why == f"its health check {url}/v1/models is answered with 401: check 'api_key'"
    assert KEY not in "\n".join(room.log())


async def test_a_path_that_the_server_does_not_have_is_told_with_what_to_do(room, hurried):
    async with served(Fake("ollama")) as url:
        run = room.spawn(launch(url, "vllm"))
        sick = await room.hears(EngineSick, run)
    assert sick.why == (
        f"its health check {url}/health is answered with 404: there is no such path; set 'engine' or 'health': "
        "usual are /health (llama.cpp, vllm, sglang, tgi), /api/version (ollama), /readyz (localai), "
        "/v1/models (lmstudio, openai)"
    )


async def test_one_that_was_never_ready_is_let_go_with_what_the_last_look_found(room, hurried):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    run = room.spawn(launch(f"http://127.0.0.1:{port}", "vllm"))
    why = f"http://127.0.0.1:{port} does not answer: Connection refused"
    await room.says(why)
    room.terminate(run)
    end = await room.exit(run)
    assert (str(end), end.hint) == (f"let go before it was ready: {why}", why)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid", "http://127.0.0.1:9"])
async def test_a_name_that_nobody_knows_and_a_port_that_nobody_has_are_told_as_such(url):
    answer = await look.look(Question(endpoint_of(url), "/health"), 30.0)  # a name may take long
    assert answer.status is None
    assert ("name" if "host" in url else "Connection refused") in answer.why.replace("Name", "name")


async def test_tls_where_there_is_none_is_given_up_with_that_question(room, hurried):
    async with served(Fake("openai")) as url:
        run = room.spawn(launch(url.replace("http:", "https:"), "openai"))
        sick = await room.hears(EngineSick, run)
    assert sick.why.endswith("/v1/models cannot be asked: it does not speak TLS: is it http there?")


async def test_no_tls_where_there_is_is_asked_about_too():
    async with served(Fake("openai"), tls=True) as url:
        answer = await look.look(Question(endpoint_of(url.replace("https:", "http:")), "/v1/models"), 5.0)
    assert answer.why.endswith("is it https there?)")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\x15\x03\x01\x00\x02\x02\x46", Answer(NOT_HTTP, why="it speaks TLS: is it https there?", foreign=True)),
        (b"220 mail.example ESMTP\r\n", Answer(NOT_HTTP, why="it does not speak HTTP")),
        (b"", Answer(NOT_HTTP, why="it closes the connection unanswered (is it https there?)")),
        (b"HTTP/1.1 503 Busy\r\n", Answer(503)),
    ],
)
async def test_what_is_no_answer_of_http_is_told_for_what_it_is(said, told):
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await look.look(Question(endpoint_of(url), "/health"), 5.0) == told


def test_a_bad_request_over_plain_http_may_be_a_door_of_tls():
    question = Question(endpoint_of("http://192.0.2.1:443"), "/health")
    assert "answered with 400, not 200 (or is it https there?): check" in question.wrong(Answer(400))
    assert "https there" not in question.wrong(Answer(500))


async def test_no_redirect_is_followed_so_the_key_goes_nowhere_else(room, hurried):
    other = Fake("openai")
    async with served(other) as elsewhere, served(Fake("openai", redirects=elsewhere)) as url:
        run = room.spawn(launch(url, "openai"))
        sick = await room.hears(EngineSick, run)
    assert "is answered with 302, not 200" in sick.why
    assert other.heard == []


async def test_one_that_fails_several_looks_in_a_row_is_not_counted_on_any_more(room, hurried):
    fake = Fake("localai")
    async with served(fake) as url:
        run = room.spawn(launch(url, "localai"))
        await room.hears(EngineReady, run)
        await until(lambda: len(fake.heard) > 4)
        fake.up = False
        sick = await room.hears(EngineSick, run)
    assert sick.why == f"3 looks in a row failed: {url} is not ready yet: it answers with 503"


@pytest.mark.proc  # each loop has a TLS of its own
async def test_a_server_is_asked_over_tls_if_its_certificate_is_trusted(room, hurried, monkeypatch):
    trusted = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with served(Fake("openai", KEY), tls=True) as url:
        stranger = room.spawn(launch(url, "openai"))
        sick = await room.hears(EngineSick, stranger)
        monkeypatch.setattr(look, "trust", lambda: trusted)
        run = room.spawn(launch(url, "openai"))
        assert (await room.hears(EngineReady, run)).endpoint.tls
        await let_go(room, run)
    assert sick.why.startswith(f"the certificate of {url} is not trusted (self-signed certificate)")
    assert "SSL_CERT_FILE" in sick.why


@pytest.mark.proc
async def test_an_engine_of_ours_that_answers_wrongly_for_long_is_told_too(room, hurried):
    run = room.fake(health="/nothing")
    sick = await room.hears(EngineSick, run)
    assert "/nothing is answered with 404: there is no such path; set 'engine' or 'health': usual" in sick.why


def test_a_wrong_answer_is_believed_once_it_lasts_and_forgotten_when_it_does_not():
    told = [(0.0, 500), (14.0, 502), (14.5, None), (15.0, 500), (29.0, NOT_HTTP), (30.0, 401), (30.9, 401)]
    clock = iter([at for at, _ in told] + [31.0])
    doubt = Doubt(Question(endpoint_of("http://h"), "/health"), lambda: next(clock))
    for _, answer in told:
        doubt.hear(Answer(answer))
    with pytest.raises(Broken, match="answered with 401: check 'api_key'"):
        doubt.hear(Answer(401))


async def test_what_is_no_url_is_a_start_that_failed(room):
    end = await room.exit(room.spawn(Launch((), url="nonsense")))
    assert "'nonsense' is no address of a server" in str(end)
    assert room.supervisor.pid(RunId("m", 1)) is None
