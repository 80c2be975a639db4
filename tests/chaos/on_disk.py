"""Faults of the disk that the daemon keeps its state on: full, read-only."""

from __future__ import annotations

import asyncio
import signal
import subprocess

from tests.chaos.on_daemon import end_at_once
from tests.chaos.scene import NotNow, Scene

BLOCK = bytes(4096)


async def full(scene: Scene, fake: str) -> str:
    """An engine is started, and stopped, while nothing can be written. Nobody may notice."""
    written = _fill(scene)
    try:
        seen = await (await scene.fresh(fake, long_line=100_000))
        await asyncio.sleep(0.5)
    finally:
        _free(scene)
    return f"filled with {written >> 10} KiB; the one who asked: {seen.how} {seen.code}"


async def full_at_start(scene: Scene) -> str:
    """The daemon ends and starts on a full disk, and serves."""
    scene.excuse_all("the daemon is restarted")
    written = _fill(scene)
    try:
        await _restart(scene)
        seen = await scene.served("alpha")
    finally:
        _free(scene)
    if seen.how != "ok":
        scene.wrong.append(f"on a full disk nothing is served: {seen.how} {seen.code} {seen.why}")
    return f"filled with {written >> 10} KiB; served: {seen.how}"


async def full_at_crash(scene: Scene, fake: str) -> str:
    """An engine is started on a full disk, and the daemon killed: the next one serves, whatever it found."""
    scene.excuse_all("the daemon is killed")
    written = _fill(scene)
    try:
        await scene.fresh(fake)
        async with scene.arena.paper:
            end_at_once(scene)
            scene.arena.spawn()
            await scene.arena.answering()
        seen = await scene.served(fake)
    finally:
        _free(scene)
    if seen.how != "ok":
        scene.wrong.append(f"after a crash on a full disk nothing is served: {seen.how} {seen.code} {seen.why}")
    return f"filled with {written >> 10} KiB; served: {seen.how}"


async def read_only(scene: Scene, fake: str) -> str:
    """The daemon starts where nothing may be written, and serves."""
    scene.excuse_all("the daemon is restarted")
    await _restart(scene, "ro")
    try:
        seen = await scene.served(fake)
    finally:
        await _restart(scene, "rw")
    if seen.how != "ok":
        scene.wrong.append(f"in a read-only state folder nothing is served: {seen.how} {seen.code} {seen.why}")
    return f"served: {seen.how}"


async def _restart(scene: Scene, mount: str = "") -> None:
    arena = scene.arena
    scene.kill(arena.pid, signal.SIGTERM)
    if (code := await arena.ended()) != 0:
        scene.wrong.append(f"told to stop, the daemon exited with {code}: {arena.last_words()}")
    try:
        if mount:
            arena.remount(mount)
    except subprocess.CalledProcessError as error:
        raise NotNow(f"cannot remount: {error.stderr!r}") from None
    finally:
        await arena.start()


def _fill(scene: Scene) -> int:
    """Bytes that went in."""
    with (scene.arena.state / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(BLOCK)
        except OSError:
            return file.tell()


def _free(scene: Scene) -> None:
    (scene.arena.state / "ballast").unlink(missing_ok=True)
