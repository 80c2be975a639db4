"""A real systemd for tests: the first process of namespaces of its own, up in about half a second.

It needs root, a cgroup2 tree, namespaces and overlayfs; no package beyond systemd's own. Inside, the root is a
copy of the machine's that forgets everything (``inside``). The network is the machine's on purpose: tests talk to
services over loopback, on free ports.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
INSIDE = Path(__file__).with_name("inside.py")
ENVIRON = ("PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "SYSTEMD_PAGER=")
BOOT = 20.0
"""Seconds for systemd to be up, on a machine that does much else."""


def missing() -> str | None:
    """Why no lab can be here; None if one can."""
    if os.getuid() != 0:
        return "needs root"
    if not Path("/lib/systemd/systemd").exists():
        return "needs systemd"
    for tool in ("unshare", "nsenter", "pivot_root", "dbus-daemon"):
        if shutil.which(tool) is None:
            return f"needs {tool}"
    if _cgroups() is None:
        return "needs a cgroup2 tree"
    tried = subprocess.run(["unshare", "-pmCui", "--fork", "true"], check=False, capture_output=True)
    return None if tried.returncode == 0 else "needs namespaces"


class Lab:
    """A booted systemd. ``binds``: folder of the machine -> place inside."""

    def __init__(self, binds: dict[Path, str]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="swapd-lab-"))
        parent = _cgroups()
        assert parent is not None
        self._group = parent / self._folder.name
        self._group.mkdir()
        self._log = (self._folder.parent / f"{self._folder.name}.log").open("w+b")
        self._outer = self._unshare([f"{source}={place}" for source, place in binds.items()])
        self.pid = 0
        try:
            self.pid = wait_for(self._first_process, BOOT, self._words)
            wait_for(self._is_up, BOOT, self._words)
            self.systemctl("log-target", "journal")  # what systemd says of a unit stands in its journal then
        except BaseException:
            self.down()
            raise

    @property
    def root(self) -> Path:
        """The root inside, as a path of the machine."""
        return Path(f"/proc/{self.pid}/root")

    def run(self, *words: str, check: bool = True, bound: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as root, to its end."""
        done = subprocess.run(
            self.entering(words), check=False, capture_output=True, text=True, timeout=bound, errors="replace"
        )
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def entering(self, words: Sequence[str]) -> list[str]:
        """The command line that runs ``words`` inside."""
        at = str(self.root)
        enter = ["nsenter", "-t", str(self.pid), "-p", "-m", "-C", "-u", "-i", f"--root={at}", f"--wd={at}"]
        return [*enter, "--", "env", "-i", *ENVIRON, *words]

    def systemctl(self, *words: str, check: bool = True, bound: float = 30.0) -> subprocess.CompletedProcess[str]:
        """``systemctl WORDS``."""
        return self.run("systemctl", *words, check=check, bound=bound)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "-P", name, unit).stdout.strip()

    def journal(self, unit: str, *words: str) -> str:
        """What a unit, and systemd about it, said since the boot."""
        self.run("journalctl", "--sync")  # what was said a moment ago may be on its way still
        return self.run("journalctl", "-u", unit, "-o", "cat", *words).stdout

    def group(self, unit: str) -> Path:
        """Where the cgroup of a unit is, while it has one."""
        return self.root / "sys/fs/cgroup/system.slice" / unit

    def processes(self, unit: str) -> dict[int, str]:
        """All that live in the cgroup of a unit, by their pid inside: the command line."""
        found: list[int] = []
        while self.group(unit).exists():
            try:
                found = [pid for file in self.group(unit).rglob("cgroup.procs") for pid in _ids(file)]
                break
            except FileNotFoundError:  # it, or one below it, is removed just now
                continue
        return dict(filter(None, map(_inside, found)))

    def down(self) -> None:
        """End everything inside at once: the namespace's first process takes all others along."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        else:
            self._outer.kill()
        self._outer.wait(10)
        wait_for(lambda: not _ids(self._group / "cgroup.procs"), 10)
        for path in sorted(self._group.rglob("*"), reverse=True):
            if path.is_dir():
                wait_for(lambda path=path: _removed(path), 10)
        wait_for(lambda: _removed(self._group), 10)
        self._log.close()
        Path(self._log.name).unlink()
        self._folder.rmdir()

    def _unshare(self, binds: list[str]) -> subprocess.Popen[bytes]:
        """Enter the cgroup, then leave all namespaces but the network's."""
        enter = 'echo 0 > "$0"/cgroup.procs && exec "$@"'
        new = ["unshare", "--fork", "--kill-child", "--pid", "--mount", "--cgroup", "--uts", "--ipc"]
        inside = [sys.executable, str(INSIDE), str(self._folder), *binds]
        return subprocess.Popen(
            ["sh", "-c", enter, str(self._group), *new, "--propagation", "private", *inside],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def _first_process(self) -> int:
        """Its pid outside, once it is systemd; 0 before."""
        if self._outer.poll() is not None:
            raise AssertionError(f"cannot start the lab: {self._words()}")
        for pid in _ids(Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")):
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                    return pid
        return 0

    def _is_up(self) -> bool:
        return self.systemctl("is-system-running", check=False).stdout.strip() == "running"

    def _words(self) -> str:
        self._log.seek(0)
        words = self._log.read().decode(errors="replace")
        failed = self.systemctl("list-jobs", "--failed", check=False).stdout if self.pid else ""
        return f"{words}\n{failed}"


def wait_for(fact: Callable[[], T], bound: float = 20.0, words: Callable[[], str] = lambda: "") -> T:
    """The fact, once it is true. Tests of systemd are plain functions: there is no loop to hold up."""
    deadline = time.monotonic() + bound
    while not (found := fact()):
        assert time.monotonic() < deadline, f"not within {bound:g} s: {words()}"
        time.sleep(0.02)
    return found


def _cgroups() -> Path | None:
    """Where cgroup2 is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


def _ids(path: Path) -> list[int]:
    try:
        return [int(word) for word in path.read_text().split()]
    except OSError:
        return []


def _inside(pid: int) -> tuple[int, str] | None:
    """Of a pid outside: the one inside, and the command line. None of what is gone, or a zombie."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    own = next(row for row in status.splitlines() if row.startswith("NSpid:"))
    return (int(own.split()[-1]), line) if line else None


def _removed(path: Path) -> bool:
    with contextlib.suppress(OSError):
        path.rmdir()
    return not path.exists()
