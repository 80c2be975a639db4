"""Faults of engines: killed, hung, deaf, loud, and robbed of their port."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos import procs
from tests.chaos.menu import ON_SOCKET
from tests.chaos.scene import NotNow, Scene

STRANGER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'


async def kill_starting(scene: Scene, fake: str) -> str:
    scene.excuse_engine(fake)
    asked = await scene.fresh(fake, load_seconds=1.5)
    scene.kill((await scene.engine(fake, "starting"))["pid"])
    seen = await asked
    return f"the one who asked: {seen.how} {seen.code}"


async def kill_ready(scene: Scene, model: str) -> str:
    scene.excuse_engine(model)
    scene.kill((await scene.ready(model))["pid"])
    return f"then asked: {(await scene.ask(model)).how}"


async def kill_streaming(scene: Scene, model: str) -> str:
    scene.excuse_engine(model)
    stream = await scene.stream(model)
    scene.kill((await scene.engine(model, "ready", "draining"))["pid"])
    seen = await stream
    if seen.how == "ok":
        raise NotNow("the stream had ended")
    return f"the stream: {seen.how} {seen.code}"


async def kill_stopping(scene: Scene) -> str:
    scene.excuse("unloaded", models=("stubborn",), codes=("model_unloaded",))
    await scene.ready("stubborn")
    unloading = asyncio.ensure_future(scene.wish("models/stubborn/unload"))
    try:
        scene.kill((await scene.engine("stubborn", "stopping", "killing"))["pid"])
    finally:
        await unloading
    return "killed while it was stopping"


async def stop_and_go(scene: Scene, model: str, seconds: float) -> str:
    """Shorter than any bound: nobody may notice more than a pause."""
    pid = (await scene.ready(model))["pid"]
    if not await procs.pause(pid, seconds, scene.arena.mark):
        raise NotNow(f"pid {pid} is gone already")
    return f"stopped for {seconds:g} s"


async def hang(scene: Scene, model: str) -> str:
    """Alive but silent, mid-stream: who waits is told within the bounds; it goes on later if nobody ended it."""
    scene.excuse_engine(model)
    stream = await scene.stream(model)
    pid = (await scene.engine(model, "ready", "draining"))["pid"]
    scene.kill(pid, signal.SIGSTOP)
    try:
        seen = await stream
        await scene.ask(model)
    finally:
        ended = not procs.signal_to(pid, signal.SIGCONT, scene.arena.mark)
    if seen.how not in ("refused", "ok"):
        scene.wrong.append(f"the stream of a hung engine: {seen.how}: {seen.why}")
    return f"the stream: {seen.how} {seen.code}; the daemon {'ended it' if ended else 'let it be'}"


async def never_healthy(scene: Scene, fake: str, way: str) -> str:
    scene.excuse_engine(fake)
    seen = await (await scene.fresh(fake, **{way: True}))
    return f"the one who asked: {seen.how} {seen.code}"


async def exit_before_bind(scene: Scene, fake: str, code: int) -> str:
    return await _exits(scene, fake, code, exit_code=code)


async def exit_after_bind(scene: Scene, fake: str, code: int) -> str:
    return await _exits(scene, fake, code, exit_code=code, exit_after=0.0)


async def exit_while_loading(scene: Scene, fake: str, code: int) -> str:
    return await _exits(scene, fake, code, exit_code=code, exit_after=0.4)


async def _exits(scene: Scene, model: str, code: int, **whim: float) -> str:
    scene.excuse_engine(model)
    seen = await (await scene.fresh(model, **whim))
    named = signal.Signals(-code).name if code < 0 else f"code {code}"
    if seen.code == "engine_start_failed" and named not in seen.why:
        scene.wrong.append(f"an engine that ended by {named} was told as: {seen.why}")
    return f"the one who asked: {seen.how} {seen.code}"


async def die_mid_stream(scene: Scene, fake: str, pieces: int) -> str:
    scene.excuse_engine(fake)
    seen = await scene.ask(fake, "stream", crash_after_chunks=pieces)
    if seen.how == "ok":
        scene.wrong.append("a stream whose engine died was whole")
    return f"the stream: {seen.how} {seen.code}"


async def die_before_a_byte(scene: Scene, fake: str) -> str:
    scene.excuse_engine(fake)
    seen = await scene.ask(fake, crash_before_byte=True)
    return f"the answer: {seen.how} {seen.code}"


async def deaf_tree(scene: Scene) -> str:
    """Ignores SIGTERM, with a grandchild in a session of its own: all of it is gone when the unload says so."""
    scene.excuse("unloaded", models=("stubborn",), codes=("model_unloaded",))
    pid = (await scene.ready("stubborn"))["pid"]
    run = _run_of(scene, pid)
    tree = {found.pid for found in procs.marked(scene.arena.mark) if found.run == run}
    status, _ = await scene.wish("models/stubborn/unload")
    left = tree & {found.pid for found in procs.marked(scene.arena.mark) if found.run == run}
    if status == 200 and left:
        scene.wrong.append(f"unloaded, yet of its tree there is still {sorted(left)}")
    return f"unload: {status}, a tree of {len(tree)}"


def _run_of(scene: Scene, pid: int) -> str:
    return next((found.run for found in procs.marked(scene.arena.mark) if found.pid == pid), "gone")


async def noise(scene: Scene, fake: str, knob: str, size: int) -> str:
    """Nobody may notice. The one who asks waits for the noise to end."""
    seen = await (await scene.fresh(fake, **{knob: size}))
    return f"the one who asked: {seen.how}"


async def daemonizes(scene: Scene, fake: str) -> str:
    """It goes on as a child in a session of its own, and exits: so it failed, and the child has to go too."""
    scene.excuse_engine(fake)
    before = len(scene.arena.events())
    seen = await (await scene.fresh(fake, daemonize=True))
    # Who asked may have been served by the next one: others wait for this model too, and can be first.
    events = scene.arena.events(before)
    if _served_from_a_stray(events):
        scene.wrong.append("an engine whose first process exited was served from")
    return f"the one who asked: {seen.how} {seen.code}"


def _served_from_a_stray(events: Sequence[Mapping[str, Any]]) -> bool:
    """In their order: the number of one that has gone may be a later engine's."""
    strays: set[int] = set()
    for event in events:
        if event["event"] == "daemonized":
            strays.add(event["pid"])
        elif event["event"] == "started":
            strays.discard(event["pid"])
        elif event["event"] == "request" and event["pid"] in strays:
            return True
    return False


async def socket_removed(scene: Scene) -> str:
    """Somebody removes the file of an engine's socket: nobody can reach it any more, so it is started anew."""
    (name,) = ON_SOCKET
    scene.excuse_engine(name)
    path = Path((await scene.ready(name))["endpoint"].removeprefix("unix:"))
    try:
        path.unlink()
    except FileNotFoundError:
        raise NotNow("it has ended by itself") from None
    seen = await scene.ask(name)
    return f"then asked: {seen.how} {seen.code}"


def _port_of(pid: int) -> int:
    """By its command line. Raises NotNow if it has ended, or is still the daemon's fork."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return int(words[words.index(b"--port") + 1])
    except (OSError, ValueError) as error:
        raise NotNow(f"pid {pid} says no port: {error}") from None


async def stolen_port(scene: Scene) -> str:
    """Between the daemon's choice of a port and the engine's bind, a server of ours takes it, and says "ok"."""
    scene.excuse_engine("alpha")
    asked = await scene.fresh("alpha", bind_seconds=1.0)
    port = _port_of((await scene.engine("alpha", "starting"))["pid"])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(STRANGER)
        writer.close()

    try:
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            seen = await asked
    except OSError as error:
        raise NotNow(f"the engine was faster: {error}") from None
    return f"port {port}; the one who asked: {seen.how} {seen.code}"
