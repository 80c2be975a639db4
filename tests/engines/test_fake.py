"""The fake engine keeps the real one's contract where tests lean on it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal

import aiohttp
import pytest

from tests.processes import until

pytestmark = pytest.mark.proc


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


def chat(http, port, **body):
    return http.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body)


async def test_while_loading_everything_is_503_and_sigterm_kills_at_once(room, http):
    run = room.fake("--never-ready")
    await until(room.left)
    port = int((await room.says("--port ")).split()[0])

    async def loading():
        try:
            async with http.get(f"http://127.0.0.1:{port}/v1/models") as answer:
                return answer.status == 503 and (await answer.json())["error"]["message"] == "Loading model"
        except aiohttp.ClientConnectionError:
            return False

    await until(loading)
    os.kill(room.supervisor.pid(run), signal.SIGTERM)
    assert (await room.exit(run)).signal == "SIGTERM"


async def test_a_whole_answer_and_a_stream_say_the_same(room, http):
    port = await room.ready(room.fake("--alias", "qwen", "--words", "4"))
    async with chat(http, port) as answer:
        assert (await answer.json())["choices"][0]["message"]["content"] == " qwen 1 2 3"
    async with chat(http, port, stream=True, stream_options={"include_usage": True}) as answer:
        events = [line.removeprefix("data: ") for line in (await answer.text()).split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]) == " qwen 1 2 3"
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"]) == ([], 4)


async def test_echo_tells_what_came_even_in_chunks(room, http):
    port = await room.ready(room.fake())

    async def pieces():
        yield b"one "
        yield b"two"

    async with http.put(f"http://127.0.0.1:{port}/echo?a=1&a=2", data=pieces(), headers={"X-A": "b"}) as answer:
        told = await answer.json()
    assert (told["method"], told["path"], told["query"], told["headers"]["x-a"]) == (
        "PUT",
        "/echo",
        "a=1&a=2",
        "b",
    )
    assert (told["length"], told["sha256"]) == (7, hashlib.sha256(b"one two").hexdigest())


async def test_a_slow_whole_answer_keeps_its_slot_when_the_client_has_left(room, http, tmp_path):
    journal = tmp_path / "journal"
    port = await room.ready(room.fake("--slow-nonstream", "1.2", "--journal", str(journal)))

    async def busy():
        async with http.get(f"http://127.0.0.1:{port}/slots") as answer:
            return any(slot["is_processing"] for slot in await answer.json())

    asking = asyncio.ensure_future(chat(http, port).__aenter__())
    await until(busy)
    asking.cancel()
    await until(lambda: "client_left" in journal.read_text())
    assert await busy()
    async with asyncio.timeout(5):
        while await busy():
            await asyncio.sleep(0.01)


async def test_a_crash_comes_after_as_many_chunks_as_asked(room, http):
    run = room.fake()
    port = await room.ready(run)
    with pytest.raises(aiohttp.ClientPayloadError):
        async with chat(http, port, stream=True, crash_after_chunks=2, chunk_seconds=0.01) as answer:
            async for line in answer.content:
                assert b" 2" not in line
    assert (await room.exit(run)).signal == "SIGKILL"


async def test_two_engines_cannot_hold_one_lock(room, tmp_path):
    first = room.fake("--lock", str(tmp_path / "lock"))
    await room.ready(first)
    assert (await room.exit(room.fake("--lock", str(tmp_path / "lock")))).code == 99
    room.kill(first)
    await room.exit(first)
    await room.ready(room.fake("--lock", str(tmp_path / "lock")))


async def test_a_connection_may_be_closed_untold_after_each_answer(room):
    port = await room.ready(room.fake("--keep-alive", "0"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(4):  # it would wait 5 s for the next one
        told = await reader.read()
    writer.close()
    assert b'{"status": "ok"}' in told
    assert b"close" not in told.lower()
