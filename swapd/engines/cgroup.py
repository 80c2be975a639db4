"""A cgroup of its own for each engine, where one was delegated to us: nothing gets out of it, and it dies at once.

Only cgroup v2, and only to hold processes together: no controller is enabled, so the daemon may stay where it is.
Where there is none, trees are found and ended by other means. The facts are the kernel's "Control Group v2".
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

log = logging.getLogger("swapd")
PREFIX = "engine-"
LONGEST = 200
"""Characters of a name; 255 is the most that a file's may have."""
SAME_NAME = 100
"""How many groups of one name may be tried: somebody of an earlier life may live in one."""
_DELEGATED = ("user.delegate", "trusted.delegate")
"""What systemd notes on a cgroup that it keeps its hands off (the second is for root's eyes only)."""
_CONTROL = ".control"
"""Where systemd runs ExecStopPost and its like: below the cgroup that it delegated."""
_RUN = "user.swapd_run"
"""What we note on one that we made: the marker of the run that lives there."""


class Group:
    """One cgroup. It stays until it is removed, whoever made it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._told = False

    @property
    def join_path(self) -> Path:
        """Whoever writes 0 there is in it from then on, with all that it starts."""
        return self.path / "cgroup.procs"

    def child(self, name: str, marker: str) -> Group | None:
        """A new one below, for the run of that marker; None if it cannot be had, which is said once."""
        try:
            made = Group(_made(self.path / f"{PREFIX}{_short(quote(name, safe=''), marker)}"))
        except OSError as error:
            if not self._told:
                log.warning("cannot make a cgroup for %s: %s; going on without them", name, error)
            self._told = True
            return None
        with contextlib.suppress(OSError):  # it can be used all the same, but not taken over later
            os.setxattr(made.path, _RUN, marker.encode())
        return made

    def procs(self) -> list[int]:
        """All that live in it and below. Raises OSError if it is gone."""
        return [int(pid) for folder in self._folders() for pid in (folder / "cgroup.procs").read_text().split()]

    def kill(self) -> None:
        """SIGKILL to all that is in it and below, forks on the way included. Raises OSError: before Linux 5.14."""
        (self.path / "cgroup.kill").write_text("1")

    def is_populated(self) -> bool:
        """Whether anything lives in it or below; zombies do not count. Not if it is gone."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except OSError:
            return False

    def remove(self) -> None:
        """Unless somebody lives in it still; whoever comes after us looks again."""
        with contextlib.suppress(OSError):
            if not self.is_populated():
                for folder in reversed(list(self._folders())):
                    folder.rmdir()

    def remove_empty(self) -> None:
        """What an earlier life of ours left below."""
        with contextlib.suppress(OSError):
            for path in self.path.glob(f"{PREFIX}*/"):
                Group(path).remove()

    def _folders(self) -> Iterator[Path]:
        """Itself first: an engine may have made some of its own below."""
        for folder, _, _ in os.walk(self.path):
            yield Path(folder)


def delegated() -> Group | None:
    """The cgroup of our service, if it was given to us to do in as we like. Blocks for a ms."""
    path = _path_of(os.getpid())
    if path is not None and path.name == _CONTROL:
        path = path.parent
    if path is None or not _is_given(path):
        return None
    group = Group(path)
    group.remove_empty()
    return group


def around(pid: int, marker: str) -> Group | None:
    """The cgroup that we once made for that run, if the process is in it."""
    path = _path_of(pid)
    with contextlib.suppress(OSError):
        if path is not None and os.getxattr(path, _RUN) == marker.encode():
            return Group(path)
    return None


def _short(name: str, marker: str) -> str:
    """One that is cut ends in the marker's beginning: two of the same may begin at once, and must not share."""
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{marker[:8]}"


def _made(path: Path) -> Path:
    """A folder of that name in which nobody lives. Raises OSError."""
    for n in range(SAME_NAME):
        at = path if n == 0 else path.with_name(f"{path.name}.{n}")
        try:
            at.mkdir()
        except FileExistsError:
            if Group(at).is_populated():
                continue
        return at
    raise FileExistsError(f"somebody lives in {path}, and in {SAME_NAME - 1} more")


def _is_given(path: Path) -> bool:
    """Whether systemd says so, or it belongs to our user, who is not root: root owns everybody's."""
    # Whoever moves a process needs the right to the group above both places; the topmost has no events.
    needed = (path, path / "cgroup.procs")
    if not all(os.access(each, os.W_OK) for each in needed) or not (path / "cgroup.events").exists():
        return False
    for name in _DELEGATED:
        with contextlib.suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return 0 != os.geteuid() == path.stat().st_uid


def _path_of(pid: int) -> Path | None:
    """Where the folder of its cgroup is; None if it cannot be seen from here."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    own = next((Path(line[3:]) for line in lines if line.startswith("0::/")), None)
    if own is None or ".." in own.parts:
        return None
    for root, at in _mounts(mounts):
        if own.is_relative_to(root):
            return at / own.relative_to(root)
    return None


def _mounts(lines: Iterable[str]) -> Iterator[tuple[Path, Path]]:
    """What is mounted of cgroup v2, and where: proc(5), /proc/pid/mountinfo."""
    for line in lines:
        mount, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            root, at = (re.sub(r"\\([0-7]{3})", _plain, word) for word in mount.split(" ")[3:5])
            yield Path(root), Path(at)


def _plain(escaped: re.Match[str]) -> str:
    return chr(int(escaped[1], 8))
