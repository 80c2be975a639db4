"""The daemon executes itself anew: under load, with a bad config, and disturbed in the midst of it."""

from __future__ import annotations

import asyncio
import signal

from swapd import tasks
from tests.chaos import procs
from tests.chaos.arena import until
from tests.chaos.chores import BROKEN
from tests.chaos.on_daemon import killed, told_to_stop
from tests.chaos.scene import Scene
from tests.chaos.wire import Cut, fetch

GRANTED = "upgrade: executing swapd anew"
WAITS = "the upgrade waits until the config is mended"
LONGEST_EXEC = 40.0
"""Seconds for a re-exec, its drain included: this only ends a wait for one that never comes."""
SHORT = 0.3
"""Seconds: a request that takes no longer must not notice a re-exec."""
CUT_BY_EXEC = ("shutting_down",)
LONGEST_WAIT = 1.5
"""Seconds for a request that needs no engine, about a re-exec on busy cores."""
TICK = 0.01
"""Seconds between two requests for its health."""
MIDST = 2.0
"""Seconds within which something happens to a daemon that was told to execute itself."""


async def re_exec(scene: Scene, model: str, times: int) -> str:
    """SIGUSR2 under load. Nothing is excused but what takes long, and is told so in words."""
    scene.excuse("cut after the drain", codes=CUT_BY_EXEC, under_way=SHORT)
    over = asyncio.Event()
    asking = tasks.spawn(_longest_wait(scene, over), name="ask for its health")
    try:
        for _ in range(times):
            async with scene.arena.paper:
                stream = await scene.stream(model, seconds=1.0)
                logged = scene.arena.log.stat().st_size
                scene.kill(scene.arena.pid, signal.SIGUSR2)
                await until(lambda: _listened(scene, logged) > 0, LONGEST_EXEC, "it listens again")  # noqa: B023
                await stream
            await asyncio.sleep(0.5)
    finally:
        over.set()
        waited = await asking
    if waited > LONGEST_WAIT:
        scene.wrong.append(f"a request for its health took {waited:.2f} s about a re-exec")
    return f"meanwhile its health was told within {waited:.2f} s"


async def _longest_wait(scene: Scene, over: asyncio.Event) -> float:
    """Seconds, of requests that need no engine, one after the other. Each on a connection of its own."""
    longest, clock, late = 0.0, asyncio.get_running_loop().time, [0.0]
    watching = tasks.spawn(_grow_late(late), name="how late we are ourselves")
    try:
        while not over.is_set():
            begun, before = clock(), late[0]
            await fetch(scene.arena.port, "GET", "/health")
            longest = max(longest, clock() - begun - (late[0] - before))
            await asyncio.sleep(TICK)
    except (Cut, ValueError, TimeoutError) as error:
        scene.wrong.append(f"a request for its health failed about a re-exec: {error!r}")
    finally:
        watching.cancel()
    return longest


async def _grow_late(late: list[float]) -> None:
    """Add up the seconds for which this process itself was kept waiting, which is no fault of the daemon."""
    clock = asyncio.get_running_loop().time
    while True:
        begun = clock()
        await asyncio.sleep(TICK)
        late[0] += max(0.0, clock() - begun - TICK)


async def re_exec_with_bad_config(scene: Scene, text: str) -> str:
    """The config is broken once the wish was granted: the daemon goes on with the one in force, here or there."""
    scene.excuse("cut after the drain", codes=CUT_BY_EXEC, under_way=SHORT)
    arena = scene.arena
    async with arena.paper:
        begun, waiting, listened = _said(scene, GRANTED), _said(scene, WAITS), _listened(scene)
        scene.kill(arena.pid, signal.SIGUSR2)
        try:
            await until(lambda: _said(scene, GRANTED) > begun, LONGEST_EXEC, "the upgrade is granted")
            arena.config.write_bytes(BROKEN[text].encode("latin-1"))
            await until(
                lambda: _said(scene, WAITS) > waiting or _listened(scene) > listened, LONGEST_EXEC, "it waits"
            )
            arena.save(arena.menu)
            await until(lambda: _listened(scene) > listened, LONGEST_EXEC, "it listens again")
            note = "executed anew"
        except TimeoutError as error:
            note = str(error)
            if arena.process is not None and arena.process.poll() is not None:
                scene.wrong.append(f"a config that broke while it upgraded ended the daemon: {note}")
            elif _said(scene, WAITS) > waiting:
                scene.wrong.append(f"a config that broke while it upgraded was mended: {note}")
        finally:
            arena.save(arena.menu)
    return note


async def killed_midst(scene: Scene, model: str) -> str:
    """SIGKILL at some moment of it: the engines are taken over all the same, and no stand-in stays."""
    await scene.ready(model)
    return await killed(scene, before=lambda: _begun(scene))


async def stopped_midst(scene: Scene, model: str) -> str:
    """SIGTERM at some moment of it: whoever is there by then ends in order."""
    await scene.ready(model)
    scene.excuse_all("the daemon is restarted")
    async with scene.arena.paper:
        await _begun(scene)
        seconds = await told_to_stop(scene)
    await scene.arena.start()
    return f"stopped in {seconds:.2f} s"


async def pestered_midst(scene: Scene, times: int) -> str:
    """SIGHUP and SIGUSR2 again and again: it ends in a daemon that serves, and no short request notices."""
    scene.excuse("cut after the drain", codes=CUT_BY_EXEC, under_way=SHORT)
    async with scene.arena.paper:
        for _ in range(times):
            scene.kill(scene.arena.pid, scene.rng.choice((signal.SIGHUP, signal.SIGUSR2)))
            await asyncio.sleep(scene.rng.uniform(0.0, 0.5))
        await _is_calm(scene)
    return f"{times} signals"


async def _begun(scene: Scene) -> None:
    scene.kill(scene.arena.pid, signal.SIGUSR2)
    await asyncio.sleep(scene.rng.uniform(0.0, MIDST))


async def _is_calm(scene: Scene) -> None:
    """Wait until each upgrade that was granted has come to its end, or was given up."""
    quiet_since = asyncio.get_running_loop().time()
    size = -1
    while asyncio.get_running_loop().time() - quiet_since < 1.0:
        said = _listened(scene) + _said(scene, GRANTED)
        if said != size or await asyncio.to_thread(_has_another, scene):
            size, quiet_since = said, asyncio.get_running_loop().time()
        await asyncio.sleep(0.1)


def _has_another(scene: Scene) -> bool:
    """Whether a swapd looks at the config for an upgrade, or stands in: on busy cores that takes seconds."""
    others = [found.words for found in procs.marked(scene.arena.mark) if found.pid != scene.arena.pid]
    return any("-m swapd check" in words or "-m swapd serve" in words for words in others)


def _listened(scene: Scene, since: int = 0) -> int:
    """How often, by its log from that byte on, a daemon began to serve. Raises TimeoutError if it has ended."""
    _lives(scene)
    return scene.arena.listened(since)


def _said(scene: Scene, line: str) -> int:
    """How often the daemon said it. Raises TimeoutError if it has ended."""
    _lives(scene)
    return scene.arena.log.read_text(errors="replace").count(line)


def _lives(scene: Scene) -> None:
    process = scene.arena.process
    if process is None or process.poll() is not None:
        raise TimeoutError("the daemon has ended by itself")
