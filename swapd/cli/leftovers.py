"""Ending what a daemon that is gone has left. A part of ``reap``, which a crash should not have to wait for."""

from __future__ import annotations

import os
from pathlib import Path

from swapd.cli.failure import Failed
from swapd.cli.reading import read
from swapd.core.settings import LogSettings
from swapd.engines import cgroup, reaper
from swapd.engines.house import House, become_owner, take
from swapd.journal import configure


def end_all(config: str | None, *, unit: bool) -> str:
    """End the engines, and with ``unit`` all in our cgroup; what became of it, in words. Raises Failed."""
    if unit:
        configure(LogSettings(), os.environ)
    folder = state_folder(config)
    ended = reap(folder)
    if unit and (group := cgroup.delegated()) is not None:
        ended += reaper.reap_group(group)
    return f"ended {ended} engine(s) or other processes" if ended else f"nothing is left of a daemon of {folder}"


def reap(folder: Path) -> int:
    """How many engines were ended. Raises Failed where a daemon has them still."""
    if not folder.is_dir():
        return 0
    try:
        become_owner(folder)
        return reaper.reap(House(folder, take(folder, "reaper")))
    except BlockingIOError:
        text = f"cannot reap: a swapd that uses {folder} is running; `swapd unload` stops its engines"
        raise Failed(text) from None
    except OSError as error:
        raise Failed(f"cannot reap the engines of {folder}: {error.strerror or error}") from None


def state_folder(config: str | None) -> Path:
    """Where the daemon keeps its state: as the config says, else as systemd does."""
    path, loaded = read(config)
    if loaded.found_at is not None:
        return Path(loaded.found_at.state_dir)
    if given := os.environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    raise Failed(f"cannot reap: {path} has problems, and does not say where the state is; see `swapd check`")
