"""Faults of the daemon itself: killed and started again, re-executed, told too much, its clock moved."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos import procs
from tests.chaos.arena import until
from tests.chaos.scene import Scene

MOMENTS = ("ready", "any", "booting", "starting", "streaming", "stopping")
DAMAGES = ("truncated", "garbage", "future", "empty", "gone")
LONGEST_STOP = 15.0
"""Seconds for a daemon to end: its drain, a grace, and two slow cores."""
LISTENS, GRANTED = "is listening on", "upgrade: executing swapd anew"
LONGEST_EXEC = 20.0
"""Seconds for a re-exec, its drain included."""
SHORT = 0.3
"""Seconds: a request that takes no longer must not notice a re-exec."""
CUT_BY_EXEC = ("shutting_down", "engine_died")
LONGEST_GAP = 6.0
"""Seconds without a success about a re-exec: a drain, an exec and a swap on busy cores."""


async def kill(scene: Scene, when: str, model: str) -> str:
    """SIGKILL at that moment, and a new daemon: it takes over what lives, and loads nothing anew."""
    await _bring_about(scene, when, model)
    return await _kill(scene, when == "booting", "")


async def kill_with_bad_state(scene: Scene, damage: str, model: str) -> str:
    """The same, and what was recorded is damaged: the engines' own marks must do."""
    await scene.ready(model)
    return await _kill(scene, False, damage)


async def _bring_about(scene: Scene, when: str, model: str) -> None:
    if when == "ready":
        await scene.ready(model)
    elif when == "streaming":
        await scene.stream(model)
    elif when == "starting":
        await scene.fresh(model, load_seconds=1.0)
        await scene.engine(model, "starting")
    elif when == "stopping":
        await scene.ready("stubborn")
        scene.excuse("unloaded", models=("stubborn",), codes=("model_unloaded",))
        unloading = asyncio.ensure_future(scene.wish("models/stubborn/unload"))
        unloading.add_done_callback(lambda done: done.cancelled() or done.exception())
        await scene.engine("stubborn", "stopping", "killing")


async def _kill(scene: Scene, again: bool, damage: str) -> str:
    arena, clock = scene.arena, asyncio.get_running_loop().time
    scene.excuse_all("the daemon is killed")
    async with arena.paper:
        ready = {told["pid"]: told for told in (await arena.status())["models"] if told["state"] == "ready"}
        logged = len(arena.log.read_text(errors="replace"))
        _end_at_once(scene)
        living = {pid: told for pid, told in ready.items() if procs.is_there(pid)}
        if damage:
            _damage(scene, damage)
        if again:
            arena.spawn()
            await asyncio.sleep(scene.rng.uniform(0.05, 0.5))
            _end_at_once(scene)
        began = clock()
        arena.spawn()
        await arena.answering()
    seconds = clock() - began
    kept = {told["pid"] for told in (await arena.status())["models"] if told["pid"]}
    if not damage:
        lost = [f"{living[pid]['name']}#{living[pid]['run']}" for pid in set(living) - kept]
        said = arena.log.read_text(errors="replace")[logged:]
        scene.wrong += [f"{run} was ready, and not taken over" for run in lost if not _made_room(run, said)]
    taken = len(kept & set(living))
    return f"answering after {seconds:.2f} s; of {len(living)} ready engines {taken} were taken over"


def _made_room(run: str, said: str) -> bool:
    """Whether it was taken over, and then had to go for another."""
    return f"stop {run}: makes room" in said or f"drain {run}: makes room" in said


def _end_at_once(scene: Scene) -> None:
    process = scene.arena.process
    assert process is not None
    process.kill()
    process.wait()


def _damage(scene: Scene, how: str) -> None:
    """To all that the daemon keeps as JSON."""
    for path in scene.arena.state.rglob("*.json"):
        text = path.read_text(errors="replace")
        match how:
            case "truncated":
                path.write_text(text[: len(text) // 2])
            case "garbage":
                path.write_bytes(bytes(range(256)))
            case "future":
                path.write_text('{"version": 999, "engines": {"no": ["such", "shape"]}}')
            case "empty":
                path.write_text("")
            case "gone":
                path.unlink()


async def restart_with_bad_state(scene: Scene, damage: str) -> str:
    """Stopped in order, damaged, started: it says so and serves."""
    scene.excuse_all("the daemon is restarted")
    seconds = await _stop(scene, 1)
    _damage(scene, damage)
    await scene.arena.start()
    return f"stopped in {seconds:.2f} s, files {damage}"


async def restart(scene: Scene, model: str, signals: int) -> str:
    """SIGTERM under load, told once or twice."""
    stream = await scene.stream(model, seconds=1.0)
    scene.excuse_all("the daemon is restarted")
    seconds = await _stop(scene, signals)
    seen = await stream
    if signals == 1 and seen.how != "ok":
        scene.wrong.append(f"a stream of 1 s did not end well within the drain: {seen.how} {seen.code} {seen.why}")
    if left := [found for found in procs.marked(scene.arena.mark) if "reap" not in found.words]:
        scene.wrong.append("left by a daemon that ended in order: " + ", ".join(map(str, left)))
    await scene.arena.start()
    return f"stopped in {seconds:.2f} s; the stream: {seen.how} {seen.code}"


async def _stop(scene: Scene, signals: int) -> float:
    begun = asyncio.get_running_loop().time()
    for _ in range(signals):
        scene.kill(scene.arena.pid, signal.SIGTERM)
        await asyncio.sleep(0.2)
    code = await scene.arena.ended(LONGEST_STOP)
    if code != 0:
        scene.wrong.append(f"told to stop, the daemon exited with {code}: {scene.arena.last_words()}")
    return asyncio.get_running_loop().time() - begun


async def re_exec(scene: Scene, model: str, times: int) -> str:
    """SIGUSR2 under load. Nothing is excused but what takes long, and is told so in words."""
    tally = scene.crowd.tally
    longest, tally.longest_gap = tally.longest_gap, 0.0
    scene.excuse("cut after the drain", codes=CUT_BY_EXEC, under_way=SHORT)
    for _ in range(times):
        async with scene.arena.paper:
            stream = await scene.stream(model, seconds=1.0)
            listened = _said(scene, LISTENS)
            scene.kill(scene.arena.pid, signal.SIGUSR2)
            await until(lambda: _said(scene, LISTENS) > listened, LONGEST_EXEC, "it listens again")  # noqa: B023
            await stream
        await asyncio.sleep(0.5)
    gap, tally.longest_gap = tally.longest_gap, max(longest, tally.longest_gap)
    if gap > LONGEST_GAP:
        scene.wrong.append(f"no request succeeded for {gap:.2f} s about a re-exec")
    return f"longest gap {gap:.2f} s"


async def re_exec_with_bad_config(scene: Scene, text: str) -> str:
    """The config is broken once the wish was granted: the daemon goes on with the one in force, here or there."""
    scene.excuse("cut after the drain", codes=CUT_BY_EXEC, under_way=SHORT)
    arena = scene.arena
    async with arena.paper:
        begun, listened = _said(scene, GRANTED), _said(scene, LISTENS)
        scene.kill(arena.pid, signal.SIGUSR2)
        try:
            await until(lambda: _said(scene, GRANTED) > begun, LONGEST_EXEC, "the upgrade is granted")
            arena.config.write_bytes(text.encode("latin-1"))
            await until(lambda: _said(scene, LISTENS) > listened, LONGEST_EXEC, "it listens again")
            note = "executed anew"
        except TimeoutError as error:
            note = str(error)
            if arena.process is not None and arena.process.poll() is not None:
                scene.wrong.append(f"a config that broke while it upgraded ended the daemon: {note}")
        finally:
            arena.save(arena.menu)
    return note


def _said(scene: Scene, line: str) -> int:
    """How often the daemon said it. Raises TimeoutError if it has ended."""
    process = scene.arena.process
    if process is None or process.poll() is not None:
        raise TimeoutError("the daemon has ended by itself")
    return scene.arena.log.read_text(errors="replace").count(line)


async def sighup_storm(scene: Scene, times: int) -> str:
    """Nobody may notice."""
    for _ in range(times):
        scene.kill(scene.arena.pid, signal.SIGHUP)
        await asyncio.sleep(0.005)
    return f"{times} SIGHUP"


async def stop_and_go(scene: Scene, seconds: float) -> str:
    """The daemon itself sleeps for a moment."""
    scene.kill(scene.arena.pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    scene.kill(scene.arena.pid, signal.SIGCONT)
    return f"stopped for {seconds:g} s"


async def clock_jump(scene: Scene, offset: str) -> str:
    """The wall clock of a daemon that was started for it, there and back. Nobody may notice."""
    await _restart(scene, false_clock=True)
    try:
        scene.arena.set_clock(offset)
        await asyncio.sleep(1.5)
        status, _ = await scene.wish("reload")
        scene.arena.set_clock("+0")
        await asyncio.sleep(1.5)
    finally:
        scene.arena.set_clock("+0")
        await _restart(scene, false_clock=False)
    return f"{offset} s and back; a reload meanwhile: {status}"


async def _restart(scene: Scene, false_clock: bool) -> None:
    excuse = scene.excuse_all("the daemon is restarted")
    await _stop(scene, 1)
    scene.arena.false_clock = false_clock
    await scene.arena.start()
    excuse.close(after=0.5)
