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
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from swapd import tasks

log = logging.getLogger("swapd")
STEP = 500
"""Milliseconds between two questions for the kernel's reports. A burst is over when nothing came in between."""
LONGEST_BURST = 2_000
LOOK_EVERY = 5_000
"""Milliseconds between looks while nothing is reported."""

Stamp = tuple[int, ...] | frozenset[tuple[object, ...]] | None


async def watch(paths: Callable[[], Sequence[Path]], changed: Callable[[], Awaitable[object]]) -> None:
    """Await ``changed()`` after every change of a file, or within a folder, that ``paths()`` names.

    And once at the beginning: a file may have changed between being read and being watched.
    Asks ``paths()`` again at each look. Goes on until cancelled, whatever becomes of the files, and whatever
    ``changed()`` raises, which is logged.
    """
    seen = _stamps(paths())
    await _tell(changed)
    while True:
        folders = _folders(paths())
        async with contextlib.aclosing(_looks(list(folders))) as looks:
            async for _ in looks:
                now = _stamps(paths())
                if any(stamp != seen.get(path, stamp) for path, stamp in now.items()):
                    await _tell(changed)
                    now = _stamps(paths()) | now  # what changed meanwhile is for the next look
                seen = now
                if _folders(paths()) != folders:
                    break


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
    except (OSError, RuntimeError):  # the latter is watchfiles' own, as where all of a user's watches are taken
        return False
    return True


def _stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    """Differs after every change: of a file, or of what a folder holds. None: it is not there."""
    try:
        if path.is_dir():
            return frozenset((child.name, _stamp_of(child)) for child in path.iterdir() if child.is_file())
        return _stamp_of(path)
    except OSError:
        return None


def _stamp_of(file: Path) -> tuple[int, ...]:
    stat = file.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _folders(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """What to watch: where each path's name stands, and where its target does.

    The values tell a folder that came back from the one that was there before.
    """
    found: dict[Path, tuple[int, int]] = {}
    for path in paths:
        with contextlib.suppress(OSError, RuntimeError):  # it went just now, or its links form a circle
            for folder in (path if path.is_dir() else path.parent, path.parent, path.resolve().parent):
                there = next(place for place in (folder, *folder.parents) if place.is_dir())
                stat = there.stat()
                found[there] = (stat.st_dev, stat.st_ino)
    return found
