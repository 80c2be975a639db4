"""A supervisor over fake engines, and an ear for what it posts."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
import uvloop

from swapd.core.commands import Cause, Kill, Spawn, Terminate, Why
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, EngineReady, Event
from swapd.core.refusal import Exit
from swapd.core.spec import Launch
from swapd.engines.furnished import furnished
from tests.processes import FAKE, MARK, marked, until

E = TypeVar("E", bound=Event)


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Any]:
    """Where real processes are watched, both loops must see them."""
    factories: dict[str, Any] = {"asyncio": asyncio.new_event_loop}
    if item.get_closest_marker("proc"):
        factories["uvloop"] = uvloop.new_event_loop
    return factories


WHY = Why(Cause.ASKED)


class Room:
    """The engine room, driven by hand."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.events: list[Event] = []
        self._n = 0
        environ = {**os.environ, MARK: mark}
        self.supervisor = furnished(self.events.append, find_binary=lambda: None, environ=environ)

    def spawn(self, launch: Launch, **more: Any) -> RunId:
        self._n += 1
        run = RunId("m", self._n)
        self.supervisor.perform(Spawn(run, launch, WHY, **more))
        return run

    def fake(self, *flags: str, **more: Any) -> RunId:
        return self.spawn(Launch((sys.executable, str(FAKE), "--port", "${port}", *flags), **more))

    def terminate(self, run: RunId, *stop: str, why: Why = WHY) -> None:
        self.supervisor.perform(Terminate(run, stop, why))

    def kill(self, run: RunId) -> None:
        self.supervisor.perform(Kill(run))

    async def hears(self, kind: type[E], run: RunId, bound: float = 10.0) -> E:
        def heard() -> list[Any]:
            return [e for e in self.events if isinstance(e, kind) and e.run == run]

        return (await until(heard, bound))[0]

    async def ready(self, run: RunId) -> int:
        return (await self.hears(EngineReady, run)).endpoint.port

    async def exit(self, run: RunId, bound: float = 10.0) -> Exit:
        return (await self.hears(EngineExited, run, bound)).exit

    def log(self) -> list[str]:
        return self.supervisor.logs("m").tail(1000)

    async def says(self, text: str) -> str:
        """What stands behind the text in the first line of the log that has it."""

        def said() -> list[str]:
            return [line.partition(text)[2] for line in self.log() if text in line]

        return (await until(said))[0]

    def left(self) -> list[str]:
        return [line for line in marked(self.mark) if int(line.split()[0]) != os.getpid()]


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    room = Room(uuid.uuid4().hex)
    yield room
    await room.supervisor.aclose()
    await asyncio.sleep(0)
    assert room.left() == []
    exits = [e.run for e in room.events if isinstance(e, EngineExited)]
    assert len(exits) == len(set(exits)), "a run exits once"
