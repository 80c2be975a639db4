"""What must hold after every fault, once the load pauses. Each finds problems, or nothing; each has its bound."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from tests.chaos import procs
from tests.chaos.arena import Arena
from tests.chaos.calls import Ask
from tests.chaos.crowd import Crowd
from tests.chaos.wire import Cut

PER_ENGINE = 12
"""File descriptors that a live engine may cost the daemon: its pidfd, its log, connections to it."""
SLACK = 6
MORE_THREADS = 12
"""Threads that asyncio may keep, and those that look at something just now."""
HELPERS = ("swapd.engines.reaper", "swapd reap", "-m swapd.reap")
"""Processes of the daemon that are no engines, by their command lines."""
BUG = re.compile(r"Traceback|crashed\b|cannot handle|never awaited|Error in (?:sys|atexit)")
RESTS = ("engine_unavailable", "engine_start_failed")
"""A model that rests after failures: the operator's load wakes it."""


class House:
    """The invariants of an arena, and what they need to remember from one look to the next."""

    def __init__(self, arena: Arena, crowd: Crowd) -> None:
        self._arena = arena
        self._crowd = crowd
        self._events = 0
        self._read = 0
        self._base = 0
        self._threads = 0
        self.checked: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def settle(self) -> None:
        """Remember how many files an idle daemon has open, and how many threads it has."""
        self._base = len(procs.fds(self._arena.pid))
        self._threads = procs.threads(self._arena.pid)

    async def check(self) -> list[str]:
        """All of them; what is wrong, in words. The load must have paused."""
        laws: list[tuple[Callable[[], Any], float]] = [
            (self.the_daemon_lives, 20.0 if self._is_there() else 0.0),
            (self.never_two_where_one_fits, 0.0),
            (self.no_orphan, 12.0),
            (self.no_zombie, 5.0),
            (self.no_leaked_port, 5.0),
            (self.no_leaked_file, 5.0),
            (self.recorded_as_it_is, 5.0),
            (self.every_healthy_model_serves, 0.0),
            (self.no_bug_in_the_log, 0.0),
        ]
        found = []
        for law, bound in laws:
            name = law.__name__.replace("_", " ")
            self.checked[name] += 1
            if problems := await _lasting(law, bound):
                self.failed[name] += 1
                found += [f"{name}: {problem}" for problem in problems]
                if law == self.the_daemon_lives:
                    break
        return found

    def _is_there(self) -> bool:
        return self._arena.process is not None and self._arena.process.poll() is None

    async def the_daemon_lives(self) -> list[str]:
        """It answers."""
        try:
            return [] if await self._arena.is_alive() else ["it does not answer /health"]
        except TimeoutError as error:
            return [str(error)]

    def never_two_where_one_fits(self) -> list[str]:
        """By the engines' own locks: one for the model, and one of as many seats as the budget has."""
        events = self._arena.events(self._events)
        self._events += len(events)
        return [
            f"an engine of {event['alias']} (pid {event['pid']}) was started while {event['lock']} was held"
            for event in events
            if event["event"] == "crowded"
        ]

    async def no_orphan(self) -> list[str]:
        """Whoever bears our mark is the daemon, its helper, or of the tree of an engine that it knows."""
        known = await self._engines()
        found = procs.marked(self._arena.mark)
        runs = {process.run for process in found if process.pid in known.values() and process.run}
        strays = [
            p for p in found if p.pid != self._arena.pid and p.run not in runs and not _helps(p, self._arena.pid)
        ]
        return [f"nobody's: {process}" for process in strays]

    def no_zombie(self) -> list[str]:
        """The daemon has asked after each of its children."""
        return [f"child {child} of the daemon is a zombie" for child in procs.zombies(self._arena.pid)]

    async def no_leaked_port(self) -> list[str]:
        """Whoever of ours listens is the daemon, or an engine where it is said to be."""
        told = (await self._arena.status())["models"]
        known = {int(model["endpoint"].rpartition(":")[2]) for model in told if _has_port(model)} | {
            self._arena.port
        }
        ours = [process.pid for process in procs.marked(self._arena.mark)]
        return [
            f"port {port} of pid {pid}"
            for port, pid in procs.ports(ours).items()
            if port not in known | {self._arena.port}
        ]

    async def no_leaked_file(self) -> list[str]:
        """No more open files than an idle daemon has, what its engines cost, and its clients' connections."""
        engines = len(await self._engines())
        files = procs.fds(self._arena.pid)
        most = self._base + PER_ENGINE * engines + self._crowd.kept + SLACK
        if len(files) <= most:
            return []
        kinds = Counter(re.sub(r"\d+", "N", name) for name in files).most_common(6)
        return [f"{len(files)} open files, at most {most} explained ({self._base} when idle): {kinds}"]

    async def recorded_as_it_is(self) -> list[str]:
        """The state file, where there is one: whole JSON; all recorded engines live; all live engines recorded."""
        path = self._arena.state / "engines.json"
        known = set((await self._engines()).values())
        if not path.exists() or not os.access(path, os.R_OK):
            return []
        try:
            recorded = set(_pids(json.loads(path.read_text())))
        except ValueError as error:
            return [f"{path.name} is no JSON: {error}"]
        dead = [f"pid {pid} is recorded, and no engine" for pid in recorded - known]
        return dead + [f"the engine with pid {pid} is not recorded" for pid in known - recorded]

    async def every_healthy_model_serves(self) -> list[str]:
        """One request each; a model that rests after its fault is waked, as an operator would."""
        found = []
        for model in (*self._arena.chats, "embed"):
            ask = Ask("embed" if model == "embed" else "whole", model, self._crowd.tag())
            seen = await self._crowd.ask(ask)
            if seen.how == "refused" and seen.code in RESTS:
                await self._wake(model)
                seen = await self._crowd.ask(ask)
            if seen.how != "ok":
                found.append(f"{model}: {seen.how} {seen.code}: {seen.why:.400}")
        return found

    async def _wake(self, model: str) -> None:
        try:
            await self._arena.admin(f"models/{model}/load")
        except (Cut, TimeoutError, ValueError):
            return  # the request after it tells

    def no_bug_in_the_log(self) -> list[str]:
        """No traceback, no crashed task."""
        with self._arena.log.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
        fresh = fresh[: fresh.rfind(b"\n") + 1]  # what is being written is read the next time, as a whole
        self._read += len(fresh)
        lines = fresh.decode(errors="replace").splitlines()
        hits = [number for number, line in enumerate(lines) if BUG.search(line)]
        return ["\n".join(lines[max(0, hits[0] - 2) : hits[0] + 40])] if hits else []

    async def _engines(self) -> dict[str, int]:
        """Model -> pid, of those that the daemon knows."""
        told = (await self._arena.status())["models"]
        return {model["name"]: model["pid"] for model in told if model["pid"]}

    async def at_rest(self) -> list[str]:
        """All unloaded: no engine, no seat held, and the daemon as small as it began."""
        self.checked["nothing is left when all is unloaded"] += 1
        try:
            await self._arena.admin("unload")
        except (Cut, TimeoutError, ValueError) as error:
            self.failed["nothing is left when all is unloaded"] += 1
            return [f"cannot unload all: {error!r}"]
        problems = await _lasting(self._nothing_is_left, 10.0)
        self.failed["nothing is left when all is unloaded"] += bool(problems)
        return problems

    async def _nothing_is_left(self) -> list[str]:
        others = [p for p in procs.marked(self._arena.mark) if p.pid != self._arena.pid and p.run]
        files = len(procs.fds(self._arena.pid))
        most = self._base + self._crowd.kept + SLACK
        left = [f"unloaded, yet there is {process}" for process in others]
        sockets = list((self._arena.folder / "run").rglob("*.sock"))
        left += [f"unloaded, yet there is {path.name}" for path in sockets]
        if (threads := procs.threads(self._arena.pid)) > self._threads + MORE_THREADS:
            left.append(f"unloaded, yet it has {threads} threads; idle it had {self._threads}")
        return left + ([f"unloaded, yet {files} files are open, of {most} explained"] if files > most else [])


async def _lasting(law: Callable[[], Any], bound: float) -> list[str]:
    """What is still wrong after the bound."""
    deadline = time.monotonic() + bound
    while True:
        try:
            problems = law()
            if isinstance(problems, Awaitable):
                problems = await problems
        except (Cut, TimeoutError, ValueError, KeyError, OSError) as error:
            problems = [f"cannot look: {error!r}"]
        if not problems or time.monotonic() >= deadline:
            return list(problems)
        await asyncio.sleep(0.05)


def _helps(process: procs.Found, daemon: int) -> bool:
    """A helper of the daemon, or what it started a moment ago and is not an engine (it forks before it execs)."""
    return (process.parent == daemon and not process.run) or any(words in process.words for words in HELPERS)


def _has_port(model: dict[str, Any]) -> bool:
    return str(model.get("endpoint") or "").startswith("http")


def _pids(told: Any) -> Iterator[int]:
    """Every number under a key ``pid``, wherever it stands: the file's shape is the daemon's own affair."""
    if isinstance(told, dict):
        for key, value in told.items():
            if key == "pid" and isinstance(value, int):
                yield value
            else:
                yield from _pids(value)
    elif isinstance(told, list):
        for value in told:
            yield from _pids(value)
