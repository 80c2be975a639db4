"""systemd's own tools, as ``swapd service`` uses them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from swapd.cli.failure import BadConfig, Failed
from swapd.engines.ask import Answer, ask


class Systemd:
    """The machine's, or the user's own. ``dry``: what would change something is only told."""

    def __init__(self, user: bool, environ: Mapping[str, str], dry: bool, say: Callable[[str], None]) -> None:
        self._own = ["--user"] if user else []
        self._user = user
        self._environ = environ
        self._dry = dry
        self._say = say

    def check_here(self, verb: str) -> None:
        """Raises Failed where there is no systemd, or we may not tell it anything."""
        if not Path("/run/systemd/system").is_dir():
            raise Failed(f"cannot {verb} the service: systemd does not run here; start `swapd serve` another way")
        if not self._user and os.geteuid() != 0:
            advice = "call it with sudo, or say --user for a service of your own"
            raise Failed(f"cannot {verb} the service: only root may; {advice}")
        if self._user and not self._has_own():
            advice = "log in as that user (sudo alone does not), or say `loginctl enable-linger` and log in again"
            raise Failed(f"cannot {verb} the service: no systemd runs for this user; {advice}")

    def _has_own(self) -> bool:
        """Whether a systemd runs for this user: it listens there, bus or not."""
        place = self._environ.get("XDG_RUNTIME_DIR")
        return bool(place) and Path(place or "", "systemd/private").exists()

    def do(self, *words: str) -> None:
        """``systemctl WORDS``, told first. Raises Failed with its complaint."""
        self.run("systemctl", *self._own, *words)

    def run(self, *argv: str) -> None:
        """Another tool, told first. Raises Failed with its complaint."""
        self._say(" ".join(argv))
        if self._dry:
            return
        answer = self.ask(*argv)
        if answer.code != 0:
            raise Failed(f"cannot {' '.join(argv)}: {answer.err or answer.out or f'exit code {answer.code}'}")
        for line in answer.err.splitlines():
            self._say(f"  {line}")

    def unless_dry(self, do: Callable[[], None]) -> None:
        """Do what has been told, where it is meant."""
        if not self._dry:
            do()

    def show(self, name: str) -> str:
        """A property of the service; empty where it cannot be had."""
        return self.ask("systemctl", *self._own, "show", "-P", name, "swapd.service").out

    def ask(self, *argv: str) -> Answer:
        """Run a tool. Raises Failed where it is missing, or does not end."""
        try:
            return ask(argv, self._environ)
        except OSError as error:
            raise Failed(f"cannot run {argv[0]}: {error.strerror or error}") from error


def find_program() -> Path:
    """The ``swapd`` of this installation, the one that was called. Raises BadConfig if there is none."""
    called = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "swapd" else None
    for path in (called, Path(sys.executable).with_name("swapd")):
        if path is not None and os.access(path, os.X_OK) and not Path(path).is_dir():
            return Path(path).absolute()
    raise BadConfig("cannot find the program `swapd` of this installation: call it by its path")
