"""What an operator does meanwhile: loads, unloads, edits good and bad. All of it is excused by little."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from tests.chaos.menu import FOURTH, Menu
from tests.chaos.scene import Scene
from tests.chaos.wire import Cut

LOOK = 0.08
"""Seconds between two looks whether an edit is in force: on a slow machine each takes longer."""
TAKEN = 100
"""Looks within which it must be, while the daemon answers and nobody spoils its config."""
AWAY = 500
"""Other looks, after which it is left to whoever took the daemon away."""
READ = 0.8
"""Seconds for a saved edit to be read."""
PIECE = 200
"""Characters of a config that is being written slowly."""


def _rename(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def _backup(path: Path, text: str) -> None:
    path.rename(path.with_suffix(".yaml~"))  # and for a moment there is none
    path.write_text(text)


def _link(path: Path, text: str) -> None:
    target = path.with_name(f"swapd-{hash(text) & 0xFFFF}.yaml")
    target.write_text(text)
    new = path.with_suffix(".link")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(path)


def _plain(path: Path, text: str) -> None:
    path.write_text(text)


def _recreate(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def _as_windows(path: Path, text: str) -> None:
    path.write_text(text.replace("\n", "\r\n"), encoding="utf-8-sig")


_SAVE: dict[str, Callable[[Path, str], None]] = {
    "plain": _plain,
    "rename": _rename,
    "backup": _backup,
    "link": _link,
    "recreate": _recreate,
    "windows": _as_windows,
}
SAVES = tuple(_SAVE)
_TEN = ", ".join(["*{0}"] * 10)
BROKEN = {
    "empty": "",
    "open": "models: [",
    "tabs": "models:\n\talpha: {}\n",
    "binary": "\x00\x01\xff",
    "unknown": "nonsense: true\n",
    "circular": "a: &a [*a]\n",
    "twice": "models:\n  alpha: {command: x}\n  alpha: {command: y}\n",
    "bomb": "a: &a [x]\n" + "".join(f"{b}: &{b} [{_TEN.format(a)}]\n" for a, b in pairwise("abcdefghij")),
    "huge": "# much ado\n" * 500_000,
}
"""Configs that cannot be read, by what is wrong with them."""


async def load(scene: Scene, model: str) -> str:
    # Beside an engine's fault, the operator may be told of it.
    status, _ = await scene.wish(f"models/{model}/load?wait=0")
    return str(status)


async def unload(scene: Scene, model: str) -> str:
    excuse = scene.excuse("unloaded", models=(model,), codes=("model_unloaded",))
    status, _ = await scene.wish(f"models/{model}/unload")
    excuse.close(after=0.5)
    return str(status)


async def unload_all(scene: Scene) -> str:
    excuse = scene.excuse("unloaded", codes=("model_unloaded",))
    status, _ = await scene.wish("unload")
    excuse.close(after=0.5)
    return str(status)


async def reload(scene: Scene) -> str:
    status, _ = await scene.wish("reload")
    return str(status)


async def retune(scene: Scene, model: str, ttl: str, concurrency: int) -> str:
    """Nobody may notice, and no engine is started for it."""
    menu = scene.arena.menu.retuned(model, ttl=ttl, concurrency=str(concurrency))
    scene.arena.save(menu)
    return ""


async def relaunch(scene: Scene, model: str, save: str) -> str:
    """Another command line: the old engine finishes what it has, and the new one goes on. Nobody may notice."""
    await _edit(scene, scene.arena.menu.relaunched(model), save)
    return ""


async def add_and_remove(scene: Scene, save: str) -> str:
    """A fourth model comes, is asked, and goes."""
    scene.excuse("the guest", models=(FOURTH,), codes=("model_removed", "model_not_found"))
    arena = scene.arena
    await _edit(scene, arena.menu.with_guest(True), save)
    known = await _knows(scene, there=True)
    if known:
        arena.guest_is_known = True
        await asyncio.sleep(1.0)
    arena.guest_is_known = False
    await _edit(scene, arena.menu.with_guest(False), save)
    gone = await _knows(scene, there=False)
    return f"came: {known}, went: {gone}"


async def _edit(scene: Scene, menu: Menu, save: str) -> None:
    """A daemon that is killed meanwhile may stop what it finds, and rightly: that waits until the edit is read."""
    async with scene.arena.paper:
        scene.arena.menu = menu
        _SAVE[save](scene.arena.config, menu.text())
        await asyncio.sleep(READ)


async def _knows(scene: Scene, there: bool) -> bool:
    """Whether the daemon came to know, or to forget, the fourth."""
    return await _in_force(scene, lambda names: (FOURTH in names) is there, f"{FOURTH}: {there}")


async def _in_force(scene: Scene, fact: Callable[[set[str]], bool], what: str) -> bool:
    """Whether the names of the models came to be so. A daemon that is away or has a bad config is waited for."""
    looks, others = TAKEN, AWAY
    while looks and others:
        try:
            if fact({model["name"] for model in (await scene.arena.status())["models"]}):
                return True
            away = scene.arena.paper.locked()
        except (Cut, ValueError, TimeoutError, KeyError):
            away = True
        looks, others = looks - (not away), others - away
        await asyncio.sleep(LOOK)
    if not looks:
        scene.wrong.append(f"saved, and not in force after {TAKEN} looks: {what}")
    return False


async def broken(scene: Scene, text: str) -> str:
    """A bad config changes nothing; then the good one is back."""
    path = scene.arena.config
    async with scene.arena.paper:
        path.write_bytes(BROKEN[text].encode("latin-1"))
        await asyncio.sleep(0.7)
        _rename(path, scene.arena.menu.text())
    return ""


async def half_written(scene: Scene) -> str:
    """Some bytes at a time, slower than a wait for a burst's end: a beginning may be a config of fewer models."""
    excuse = scene.excuse("models are missing", codes=("model_removed", "model_not_found", "model_unloaded"))
    menu = scene.arena.menu
    async with scene.arena.paper:
        await _dribble(scene.arena.config, menu.text())
    known = await _in_force(scene, lambda names: names == set(menu.models), "all models, after half of them")
    # It may have known them still, and be about to take over a beginning: what is read now is read after that.
    while known and await _reloaded(scene) != 200:
        known = await _in_force(scene, lambda names: names == set(menu.models), "all models, in the end")
    excuse.close(after=0.5)
    return f"all models known again: {known}"


async def _reloaded(scene: Scene) -> int:
    try:
        return (await scene.arena.admin("reload"))[0]
    except (Cut, ValueError, TimeoutError):
        await asyncio.sleep(LOOK)
        return 0


async def _dribble(path: Path, text: str) -> None:
    with path.open("w") as file:
        for at in range(0, len(text), PIECE):
            file.write(text[at : at + PIECE])
            file.flush()
            await asyncio.sleep(0.05)
