"""``swapd top`` as the shell calls it, where there is no terminal; and the parts that meet threads."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from swapd.cli.client import Admin
from swapd.cli.failure import Failed, NotAllowed
from swapd.cli.target import Target
from swapd.cli.top import streams
from swapd.cli.top.deeds import Deeds
from swapd.cli.top.screen import Level, Note, Verb, Wish
from swapd.cli.top.streams import Frame, Inbox, Lost, Piece, Tail, watch
from swapd.core.settings import Settings
from tests.processes import until


async def test_in_a_pipe_it_prints_one_picture_and_ends(front, swapd):
    done = await swapd("top")
    assert (done.exit_code, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert shown[0].split()[:2] == ["swapd", "0.1.0"]
    assert any(line.split()[:3] == ["alpha", "○", "cold"] for line in shown)
    assert "\x1b" not in done.stdout
    assert "req/s" not in shown[0]
    assert (await swapd("top", "--once", "--ascii")).stdout.isascii()


async def test_where_no_daemon_is_it_says_what_to_do_as_status_does(swapd):
    done = await swapd("top", "--url", "127.0.0.1:1")
    assert done.exit_code == 1
    assert "start it with `swapd serve`" in done.stderr


async def test_without_the_key_it_says_so(front, swapd):
    front.config.settings = Settings(admin_key="secret")
    done = await swapd("top")
    assert done.exit_code == 1
    assert "$SWAPD_ADMIN_KEY" in done.stderr


def admin(front) -> Admin:
    return Admin(Target(f"http://127.0.0.1:{front.port}"))


async def taken(inbox: Inbox, kind: type) -> object:
    """The next of that kind."""
    async with asyncio.timeout(10):
        while True:
            await inbox.stirred.wait()
            inbox.stirred.clear()
            for news in inbox.take():
                if isinstance(news, kind):
                    return news


async def test_who_may_not_look_is_told_once_and_nobody_tries_again(front):
    front.config.settings = Settings(admin_key="secret")
    inbox = Inbox()
    watch(admin(front), inbox)
    lost = await taken(inbox, Lost)
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, NotAllowed)
    await until(lambda: not any(thread.name == "live" for thread in threading.enumerate()))


async def test_a_daemon_that_says_goodbye_is_told_from_one_that_is_only_silent(front):
    inbox = Inbox()
    watch(admin(front), inbox)
    await taken(inbox, Frame)
    ending = asyncio.ensure_future(front.door.close())
    lost = await taken(inbox, Lost)
    await ending
    assert (lost.told, lost.error.message) == (True, "swapd goes down, or begins anew")


async def test_a_daemon_that_is_not_there_is_tried_again_and_again(monkeypatch):
    monkeypatch.setattr(streams, "AGAIN", 0.01)
    inbox = Inbox()
    ends = []

    class Away:
        def live(self, tail: int):
            ends.append(tail)
            if len(ends) > 3:
                raise NotAllowed("enough")
            raise Failed("cannot reach it")

    watch(Away(), inbox)  # type: ignore[arg-type]
    await until(lambda: len(ends) == 4)


async def test_a_log_that_is_closed_ends_its_thread_though_the_engine_is_silent():
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\none line\n")
        await reader.read()  # the request, and then nothing until it hangs up
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    hung_up = asyncio.Event()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tail = Tail(Admin(Target(f"http://127.0.0.1:{port}")), "alpha", inbox := Inbox())
        piece = await taken(inbox, Piece)
        assert isinstance(piece, Piece)
        assert (piece.by, piece.text) == (tail, "one line\n")
        assert any(thread.name == "log of alpha" for thread in threading.enumerate())
        tail.close()
        await until(lambda: not any(thread.name == "log of alpha" for thread in threading.enumerate()))
        await hung_up.wait()
        assert inbox.take() == []


async def test_who_brings_more_than_is_heard_waits():
    inbox = Inbox()
    put = []

    def bring() -> None:
        for n in range(streams.WAITING * 2):
            inbox.put(Piece(None, str(n)))
            put.append(n)

    thread = threading.Thread(target=bring, daemon=True)
    thread.start()
    await until(lambda: len(put) == streams.WAITING)
    seen: list[str] = []
    while len(seen) < streams.WAITING * 2:
        await inbox.stirred.wait()
        inbox.stirred.clear()
        seen += [news.text for news in inbox.take() if isinstance(news, Piece)]
    assert seen == [str(n) for n in range(streams.WAITING * 2)]
    thread.join(5)


class Acting:
    """An operator's doors that are slow, or shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def load(self, model: str) -> dict[str, str]:
        self.gate.wait(10)
        return {"model": model, "state": "ready"}

    def unload(self, model: str) -> dict[str, str]:
        raise Failed("the engine does not stop\nand more")

    def pin(self, model: str, *, pinned: bool) -> dict[str, object]:
        return {"model": model, "pinned": pinned}


@pytest.fixture
def acting() -> tuple[Acting, Deeds, list[Note]]:
    doors, notes = Acting(), []
    return doors, Deeds(doors, Target("http://x"), notes.append), notes  # type: ignore[arg-type]


async def test_what_came_of_a_wish_is_told(acting):
    doors, deeds, notes = acting
    deeds.begin(Wish(Verb.LOAD, "alpha"))
    assert notes[-1].text == "loading alpha …"
    deeds.begin(Wish(Verb.UNLOAD, "alpha"))
    assert notes[-1].text == "cannot unload alpha: still loading it"
    doors.gate.set()
    await until(lambda: notes[-1].text.startswith("alpha is ready after"))
    assert notes[-1].level is Level.DONE
    assert notes[-1].until > time.monotonic()
    deeds.begin(Wish(Verb.PIN, "alpha"))
    await until(lambda: notes[-1].text == "alpha is pinned")


async def test_why_it_could_not_be_done_is_told_in_a_line(acting):
    _, deeds, notes = acting
    deeds.begin(Wish(Verb.UNLOAD, "alpha"))
    await until(lambda: notes[-1].level is Level.WRONG)
    assert notes[-1].text == "cannot unload alpha: the engine does not stop"


async def test_an_answer_that_is_not_swapds_is_told_too(acting):
    _, deeds, notes = acting
    Acting.pin, kept = (lambda self, model, *, pinned: {}), Acting.pin
    try:
        deeds.begin(Wish(Verb.PIN, "alpha"))
        await until(lambda: notes[-1].level is Level.WRONG)
    finally:
        Acting.pin = kept
    assert "cannot read the answer" in notes[-1].text
