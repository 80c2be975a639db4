"""Where the frames of a websocket end, and what is said between two of them."""

from __future__ import annotations

import pytest

from swapd.web import tunnel
from swapd.web.frames import GOING_AWAY, Frames
from tests.web.raw import Line, calling, tick
from tests.web.test_bounds import until
from tests.web.test_tunnel import ASK, CONSENT

SHORT, EMPTY, MASKED = b"\x81\x02hi", b"\x89\x00", b"\x81\x82abcdhi"
LONG = b"\x82\x7e\x01\x00" + b"x" * 256
LONGER = b"\x82\x7f" + (70_000).to_bytes(8) + b"x" * 70_000


@pytest.mark.parametrize("frame", [SHORT, EMPTY, MASKED, LONG, LONGER])
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_a_word_of_ours_may_only_stand_between_two_frames(frame, size):
    frames, text = Frames(), frame + SHORT + frame
    ends = {0, len(frame), len(frame + SHORT), len(text)}
    at = 0
    while at < len(text):
        assert (frames.ended_with(b"x") == b"x") is (at in ends)
        piece = text[at : at + size]
        assert frames.take(piece) == piece
        at += len(piece)
    assert frames.ended_with(b"x") == b"x"


async def opened(caller, words: bytes) -> None:
    await caller.send(ASK)
    await caller.reader.readuntil(b"\r\n\r\n")
    assert await caller.reader.readexactly(len(words)) == words


def says(words: bytes):
    async def talk(line: Line) -> None:
        await line.request()
        await line.send(CONSENT + words)
        await line.left()

    return talk


async def test_an_idle_websocket_is_left_in_good_order_at_once_and_a_busy_one_is_not(raw_hall, monkeypatch):
    front, engine = await raw_hall(says(SHORT))
    async with calling(front.port) as caller:
        await opened(caller, SHORT)
        front.door.end_idle()
        await tick(20)
        assert front.gate.holding
        monkeypatch.setattr(tunnel, "STILL", 0.0)
        front.door.end_idle()
        assert await caller.rest() == GOING_AWAY
        await until(lambda: not front.gate.holding)
        await engine.gone.wait()


@pytest.mark.parametrize(("words", "last"), [(SHORT, GOING_AWAY), (SHORT[:3], b"")])
async def test_one_that_is_cut_is_told_so_unless_it_is_in_the_middle_of_a_frame(raw_hall, words, last):
    front, _ = await raw_hall(says(words))
    async with calling(front.port) as caller:
        await opened(caller, words)
        front.door.hold()
        assert not await front.door.quiet(0.03)
        await front.door.cut()
        assert front.door.handover() == []
        assert await caller.rest() == last
