"""Tells when the config should be read again.

Folders are watched, not files: a watched file is lost with its first atomic replacement. What the kernel
reports is only a reason to look; whether something changed is decided by comparing stamps of the files. So
noise in the same folder is ignored, a swapped symlink is seen whatever its depth, and where the kernel
reports nothing (a network share, a folder that went and came back) the regular look finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path

from swapd import tasks
from swapd.config.pace import paced

log = logging.getLogger("swapd")
STEP = 500
"""Milliseconds between two questions for the kernel's reports. A burst is over when nothing came in between."""
LONGEST_BURST = 2_000
LOOK_EVERY = 5_000
"""Milliseconds between looks while nothing is reported."""

Stamp = tuple[int, ...] | frozenset[tuple[object, ...]] | None
Folders = dict[Path, tuple[int, int]]


async def watch(paths: Callable[[], Sequence[Path]], changed: Callable[[], Awaitable[object]]) -> None:
    """Await ``changed()`` after every change of a file, or within a folder, that ``paths()`` names.

    And once at the beginning: a file may have changed between being read and being watched.
    Asks ``paths()`` again at each look. Goes on until cancelled, whatever becomes of the files, and whatever
    ``changed()`` raises, which is logged.
    """
    seen, _ = await _look(paths())
    await _tell(changed)
    while True:
        _, folders = await _look(paths())
        async with contextlib.aclosing(_looks(list(folders))) as looks:
            async for _ in looks:
                now, there = await _look(paths())
                if any(stamp != seen.get(path, stamp) for path, stamp in now.items()):
                    await _tell(changed)
                    after, there = await _look(paths())
                    now = after | now  # what changed meanwhile is for the next look
                seen = now
                if there != folders:
                    break


async def _look(paths: Sequence[Path]) -> tuple[dict[Path, Stamp], Folders]:
    """In a thread: at a thousand files a look takes some 20 ms, and where a server is dead it hangs."""
    try:
        return await asyncio.to_thread(_seen, paths)
    except RuntimeError:  # there is no thread to be had
        return _seen(paths)


def _seen(paths: Sequence[Path]) -> tuple[dict[Path, Stamp], Folders]:
    return _stamps(paths), _folders(paths)


async def _tell(changed: Callable[[], Awaitable[object]]) -> None:
    try:
        await changed()
    except Exception:  # a bug, by definition: the edit that mends it must still be seen
        log.exception("cannot take over the edited config; the next edit is looked at")


async def _looks(folders: list[Path]) -> AsyncGenerator[None, None]:
    """Yield whenever it is worth a look; without end, unless the kernel's reports cannot be had any more."""
    from watchfiles import awatch  # noqa: PLC0415  those who only read a config need not wait for it

    reports = awatch(
        *folders,
        watch_filter=None,
        recursive=False,
        step=STEP,
        debounce=LONGEST_BURST,
        rust_timeout=LOOK_EVERY,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with contextlib.aclosing(reports):
        report = tasks.spawn(_reported(reports), name="first report of an edit")
        try:
            await asyncio.sleep(0)  # that began the watch: what was saved just before it, nobody reports
            yield
            hearing = await report
        finally:
            report.cancel()
            await asyncio.wait([report])
        while hearing:
            yield
            hearing = await _reported(reports)
    await asyncio.sleep(LOOK_EVERY / 1000)
    yield


async def _reported(reports: AsyncGenerator[object, None]) -> bool:
    """Wait for the next report, or until it is time for a look; False if there will be none any more."""
    try:
        await anext(reports)
    except (OSError, RuntimeError, UnicodeError):
        # The second is watchfiles' own, as where all of a user's watches are taken; it wants paths to be text.
        return False
    return True


def _stamps(paths: Sequence[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paced(paths)}


def _stamp(path: Path) -> Stamp:
    """Differs after every change: of a file, or of what a folder holds. None: it is not there."""
    try:
        seen = path.stat()
        if not stat.S_ISDIR(seen.st_mode):
            return _stamp_of(seen)
        with os.scandir(path) as entries:
            return frozenset((entry.name, _stamp_of(entry.stat())) for entry in paced(entries) if entry.is_file())
    except OSError:
        return None


def _stamp_of(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _folders(paths: Sequence[Path]) -> Folders:
    """What to watch: where each path's name stands, and where its target does.

    The values tell a folder that came back from the one that was there before.
    """
    spots: set[Path] = set()  # few, where there are many files
    for path in paced(paths):
        spots.add(path.parent)
        with contextlib.suppress(OSError, RuntimeError):  # it went just now, or its links form a circle
            if path.is_dir():
                spots.add(path)
            if path.is_symlink():
                spots.add(path.resolve().parent)
    found: Folders = {}
    for spot in spots:
        with contextlib.suppress(OSError, RuntimeError):
            for folder in (spot, spot.resolve()):
                there = next(place for place in (folder, *folder.parents) if place.is_dir())
                seen = there.stat()
                found[there] = (seen.st_dev, seen.st_ino)
    return found
