"""One session at the terminal: keys, news and seconds come in, pictures go out."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from swapd.cli.client import Admin, reading
from swapd.cli.failure import NotAllowed
from swapd.cli.target import Target
from swapd.cli.top import streams
from swapd.cli.top.deeds import GOOD, Deeds
from swapd.cli.top.frame import Look, Scene, frame
from swapd.cli.top.glyphs import Glyphs
from swapd.cli.top.mirror import HELLO
from swapd.cli.top.pages import Log
from swapd.cli.top.press import press, settled
from swapd.cli.top.screen import Level, Note, Page, Verb, Wish
from swapd.cli.top.streams import Frame, Inbox, Lost, News, Tail
from swapd.cli.top.terminal import GONE, Ink, Terminal
from swapd.cli.top.wires import Wires
from swapd.tasks import spawn

PAUSE = 0.1
"""Seconds between two pictures, unless a key was pressed."""
SIGNALLED = 128
"""What shells add to the number of the signal that ended a program."""
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def watch(target: Target, ink: Ink, glyphs: Glyphs) -> int:
    """Show the daemon until somebody has seen enough; the exit code. Raises Failed if it cannot be reached."""
    admin, inbox = Admin(target), Inbox()
    streams.watch(admin, inbox)
    await inbox.stirred.wait()
    news = inbox.take()
    for each in news:
        if isinstance(each, Lost):
            raise each.error
    with Terminal(ink, sys.stdin.fileno(), sys.stdout.fileno()) as terminal:
        session = Session(Desk(target, admin, inbox, terminal, glyphs))
        session.hear(news)
        try:
            return await session.run()
        except GONE:
            return SIGNALLED + signal.SIGHUP


@dataclass(frozen=True, slots=True)
class Desk:
    """What a session works with."""

    target: Target
    admin: Admin
    inbox: Inbox
    terminal: Terminal
    glyphs: Glyphs


class Session:
    """What is seen, and who is asked. ``run`` returns when it is over."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._scene = Scene()
        self._deeds = Deeds(desk.admin, desk.target, self._note)
        self._wires = Wires(desk.terminal.input, self._press, desk.inbox.stirred)
        self._tail: Tail | None = None
        self._code: int | None = None

    async def run(self) -> int:
        """The exit code."""
        self._resize()
        with self._wires.connected(self._handlers()):
            while self._code is None:
                with reading(self._desk.target):
                    self._draw()
                await self._wait()
                self._desk.inbox.stirred.clear()
                with reading(self._desk.target):
                    self.hear(self._desk.inbox.take())
                while self._code is None and (errand := self._wires.next()) is not None:
                    errand()
        self._unfollow()
        return self._code

    def hear(self, news: list[News]) -> None:
        """What the threads have brought. Raises Failed if the daemon does not want us any more."""
        for each in news:
            if isinstance(each, Frame):
                self._scene.mirror.hear(each.kind, each.data, time.monotonic())
                if each.kind == HELLO:
                    self._met()
            elif isinstance(each, Lost):
                self._lost(each)
            elif self._scene.log is not None and each.by is self._tail:
                self._scene.log.add(each.text)
                self._scene.log.ended = each.ended

    # -- the daemon comes and goes ---------------------------------------------------------------------

    def _met(self) -> None:
        if not self._scene.away:
            return
        self._scene.away = ""
        self._note(Note("swapd is back", Level.DONE, time.monotonic() + GOOD))
        if self._scene.screen.page is Page.LOG and self._scene.log is not None:
            self._follow(self._scene.log.model)

    def _lost(self, lost: Lost) -> None:
        if isinstance(lost.error, NotAllowed):
            raise lost.error
        self._scene.leave(_away(lost, _clock()), time.monotonic())

    # -- keys ------------------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        with reading(self._desk.target):
            self._scene.screen, wish = press(self._scene.screen, key, self._scene.shown())
        if wish is not None:
            self._grant(wish)

    def _grant(self, wish: Wish) -> None:
        match wish.verb:
            case Verb.QUIT:
                self._code = 0
            case Verb.REDRAW:
                self._desk.terminal.forget()
            case Verb.FOLLOW:
                self._follow(wish.model)
            case Verb.EXPLAIN:
                self._scene.details = [f"{wish.model}: asking …"]
                spawn(self._explain(wish.model), f"explain {wish.model}")
            case Verb.LEAVE:
                self._unfollow()
            case _:
                self._deeds.begin(wish)

    def _follow(self, model: str) -> None:
        self._unfollow()
        self._scene.log = Log(model)
        self._tail = Tail(self._desk.admin, model, self._desk.inbox)

    def _unfollow(self) -> None:
        if self._tail is not None:
            self._tail.close()
        self._tail = self._scene.log = None

    async def _explain(self, model: str) -> None:
        """Again and again while it is looked at."""
        scene, shown = self._scene, self._scene.details
        asking = shown
        while scene.screen.page is Page.DETAILS and scene.details is shown:
            lines = await self._deeds.why(model, scene.mirror.models.get(model), scene.now(time.monotonic()))
            if scene.details is not shown:
                return  # somebody looks at something else by now
            if not scene.away or shown is asking:
                scene.details = shown = lines
            self._desk.inbox.stirred.set()
            await asyncio.sleep(1)

    # -- the world around ------------------------------------------------------------------------------

    def _handlers(self) -> dict[signal.Signals, Callable[[], None]]:
        ends = {number: partial(self._end, number) for number in ENDS}
        return {
            **ends,
            signal.SIGWINCH: self._resize,
            signal.SIGTSTP: self._pause,
            signal.SIGCONT: self._resume,
        }

    def _end(self, number: signal.Signals) -> None:
        self._code = SIGNALLED + number

    def _resize(self) -> None:
        self._scene.screen = replace(self._scene.screen, size=self._desk.terminal.size())
        self._desk.terminal.forget()

    def _pause(self) -> None:
        self._desk.terminal.pause()
        self._resize()

    def _resume(self) -> None:
        """Somebody stopped us unasked, and the shell may have changed the terminal."""
        self._desk.terminal.take()
        self._resize()

    def _note(self, note: Note) -> None:
        self._scene.note = note
        self._desk.inbox.stirred.set()

    def _draw(self) -> None:
        scene = self._scene
        if scene.screen.chosen is None:  # from now on the cursor goes with its model
            scene.screen = settled(scene.screen, scene.models())
        look = Look(self._desk.target.url, time.monotonic(), _clock(), self._desk.glyphs)
        self._desk.terminal.paint(frame(scene, look), scene.screen.size.width)

    async def _wait(self) -> None:
        """Until there is something new to show, the time of day at the least."""
        until = time.monotonic() + PAUSE
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1 - _clock().microsecond / 1e6):
                await self._desk.inbox.stirred.wait()
        while (left := until - time.monotonic()) > 0 and not self._wires.waiting:
            self._desk.inbox.stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._desk.inbox.stirred.wait()


def _away(lost: Lost, at: datetime) -> str:
    """What is said until it is back."""
    if lost.told:
        return f"swapd said goodbye at {at:%H:%M:%S} ({lost.error.message.removeprefix('swapd ')}); trying again"
    return f"swapd is not answering since {at:%H:%M:%S}; trying again"


def _clock() -> datetime:
    return datetime.now().astimezone()
