"""Faults of the daemon itself: killed, stopped and started again, told too much, its clock moved."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.chaos import procs
from tests.chaos.arena import until
from tests.chaos.scene import Scene

MOMENTS = ("ready", "any", "booting", "starting", "streaming", "stopping")
DAMAGES = ("truncated", "garbage", "future", "empty", "gone")
MAY_GO = ("makes room", "idle past its ttl", "unload by the operator", "drained")
"""Why an engine may be stopped that is wanted by the config as it is."""
LONGEST_GOODBYE = 2.0
"""Seconds in which the kernel ends what the daemon killed."""
LONGEST_HELP = 10.0
"""Seconds for helpers, which have to see by themselves that it is gone: some only begin, on slow cores."""
DRAIN = 4.0
"""Seconds that the config gives to requests under way."""
LONGEST_ABORT = 6.0
"""Seconds for one whose engine is loading: a grace, and two slow cores."""
LONGEST_STOP = 15.0
"""Seconds for a daemon to end: its drain, a grace, and two slow cores."""


async def kill(scene: Scene, when: str, model: str) -> str:
    """SIGKILL at that moment, and a new daemon: it takes over what lives, and loads nothing anew."""
    await _bring_about(scene, when, model)
    return await killed(scene, again=when == "booting")


async def kill_with_bad_state(scene: Scene, damage: str, model: str) -> str:
    """The same, and what was recorded is damaged: the engines' own marks must do."""
    await scene.ready(model)
    return await killed(scene, damage=damage)


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


async def killed(
    scene: Scene, again: bool = False, damage: str = "", before: Callable[[], Awaitable[object]] | None = None
) -> str:
    """SIGKILL, and a new daemon. ``again``: which is killed while it begins; ``before``: done just before."""
    arena, clock = scene.arena, asyncio.get_running_loop().time
    scene.excuse_all("the daemon is killed")
    async with arena.paper:
        ready = {told["pid"]: told for told in (await arena.status())["models"] if told["state"] == "ready"}
        logged = len(arena.log.read_text(errors="replace"))
        if before is not None:
            await before()
        end_at_once(scene)
        decided = arena.log.read_text(errors="replace")[logged:]
        living = {pid: told for pid, told in ready.items() if _is_wanted(scene, told["name"], pid)}
        if damage:
            _damage(scene, damage)
        if again:
            arena.spawn()
            await asyncio.sleep(scene.rng.uniform(0.05, 0.5))
            end_at_once(scene)
        began = clock()
        arena.spawn()
        await arena.answering()
    seconds = clock() - began
    kept = {told["pid"] for told in (await arena.status())["models"] if told["pid"]}
    if not damage:
        lost = [f"{living[pid]['name']}#{living[pid]['run']}" for pid in set(living) - kept]
        said = arena.log.read_text(errors="replace")[logged + len(decided) :]
        scene.wrong += [
            f"{run} was ready, and not taken over" for run in lost if not _went_rightly(run, decided, said)
        ]
    taken = len(kept & set(living))
    return f"answering after {seconds:.2f} s; of {len(living)} ready engines {taken} were taken over"


def _is_wanted(scene: Scene, name: str, pid: int) -> bool:
    """Whether it lives, and the config as it is saved would start it so: the daemon may not have read that yet."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return procs.is_there(pid) and scene.arena.menu.starts(name, words)
    except OSError:
        return False


def _went_rightly(run: str, decided: str, said: str) -> bool:
    """Whether the daemon that was killed had told it to go, for any reason; or the new one, once it had it."""
    ways = ("stop", "drain")
    had_to = any(f"{how} {run}: " in decided for how in ways)
    return had_to or any(f"{how} {run}: {why}" in said for how in ways for why in MAY_GO)


def end_at_once(scene: Scene) -> None:
    """SIGKILL, waited for."""
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


def _left(scene: Scene) -> list[procs.Found]:
    return [found for found in procs.marked(scene.arena.mark) if "reap" not in found.words]


async def restart_while_starting(scene: Scene, fake: str) -> str:
    """SIGTERM while an engine loads: that is not waited for."""
    asked = await scene.fresh(fake, load_seconds=4.0)
    pid = (await scene.engine(fake, "starting"))["pid"]
    before = len(scene.arena.events())
    scene.excuse_all("the daemon is restarted")
    seconds = await told_to_stop(scene)
    loaded = any(event["event"] == "ready" and event["pid"] == pid for event in scene.arena.events(before))
    if seconds > LONGEST_ABORT and loaded:
        scene.wrong.append(f"a daemon whose engine was loading took {seconds:.1f} s to end")
    seen = await asked
    await scene.arena.start()
    return f"stopped in {seconds:.2f} s; the one who asked: {seen.how} {seen.code}"


async def odd_start(scene: Scene) -> str:
    """A careless parent: SIGCHLD ignored, no stdin, umask 0, no home, no locale. It serves all the same."""
    scene.excuse_all("the daemon is restarted")
    await told_to_stop(scene)
    scene.arena.careless = True
    try:
        await scene.arena.start()
    finally:
        scene.arena.careless = False
    seen = await scene.served("alpha")
    if seen.how != "ok":
        scene.wrong.append(f"started by a careless parent, it does not serve: {seen.how} {seen.code} {seen.why}")
    kept = list(scene.arena.state.rglob("*"))
    scene.wrong += [f"anybody may write {path}" for path in kept if _is_open(path)]
    return f"served: {seen.how}; {len(kept)} files"


def _is_open(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & 0o022)
    except FileNotFoundError:
        return False


async def state_removed(scene: Scene, fake: str) -> str:
    """Somebody cleans up what the daemon keeps, while it lives and has an engine started. Nobody may notice."""
    for path in scene.arena.state.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    seen = await (await scene.fresh(fake))
    return f"the one who asked: {seen.how} {seen.code}"


async def restart_with_bad_state(scene: Scene, damage: str) -> str:
    """Stopped in order, damaged, started: it says so and serves."""
    scene.excuse_all("the daemon is restarted")
    seconds = await told_to_stop(scene)
    _damage(scene, damage)
    await scene.arena.start()
    return f"stopped in {seconds:.2f} s, files {damage}"


async def restart(scene: Scene, model: str, signals: int) -> str:
    """SIGTERM under load, told once or twice."""
    stream = await scene.stream(model, seconds=1.0)
    scene.excuse_all("the daemon is restarted")
    begun = time.monotonic()
    seconds = await told_to_stop(scene, signals)
    seen = await stream
    cut_in_time = seen.code == "shutting_down" and seen.ended - begun >= DRAIN  # a slow machine's stream
    if signals == 1 and seen.how != "ok" and not cut_in_time and not scene.explained(seen):
        scene.wrong.append(f"a stream of 1 s did not end well within the drain: {seen.how} {seen.code} {seen.why}")
    await scene.arena.start()
    return f"stopped in {seconds:.2f} s; the stream: {seen.how} {seen.code}"


async def told_to_stop(scene: Scene, signals: int = 1) -> float:
    """SIGTERM, so many times; the seconds until it has ended, by exit code 0 and with nothing left."""
    begun = asyncio.get_running_loop().time()
    scene.kill(scene.arena.pid, signal.SIGTERM)
    for _ in range(signals - 1):
        await asyncio.sleep(0.2)
        procs.signal_to(scene.arena.pid, signal.SIGTERM)
    code = await scene.arena.ended(LONGEST_STOP)
    seconds = asyncio.get_running_loop().time() - begun
    if code != 0:
        scene.wrong.append(f"told to stop, the daemon exited with {code}: {scene.arena.last_words()}")
    await _nobody_is_left(scene, engines=True, bound=LONGEST_GOODBYE)
    await _nobody_is_left(scene, engines=False, bound=LONGEST_HELP)
    return seconds


async def _nobody_is_left(scene: Scene, engines: bool, bound: float) -> None:
    def left() -> list[procs.Found]:
        return [found for found in _left(scene) if bool(found.run) == engines]

    try:
        await until(lambda: not left(), bound, "nothing is left")
    except TimeoutError:
        scene.wrong.append("left by a daemon that ended in order: " + ", ".join(map(str, left())))


async def sighup_storm(scene: Scene, times: int) -> str:
    """Nobody may notice."""
    for _ in range(times):
        scene.kill(scene.arena.pid, signal.SIGHUP)
        await asyncio.sleep(0.005)
    return f"{times} SIGHUP"


async def stop_and_go(scene: Scene, seconds: float) -> str:
    """The daemon itself sleeps for a moment."""
    await procs.pause(scene.arena.pid, seconds)
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
    await told_to_stop(scene)
    scene.arena.false_clock = false_clock
    await scene.arena.start()
    excuse.close(after=0.5)
