"""A true terminal for tests: tmux with a shell in it, whose keys are sent and whose screen is read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SWAPD = f"{sys.executable} -W error -m swapd"
PROMPT = "ready> "


class Terminal:
    """``columns`` × ``lines`` of one shell, in a tmux server of its own that ends with ``close``."""

    def __init__(self, folder: Path, columns: int = 80, lines: int = 24, **environ: str) -> None:
        self._socket = str(folder / f"tmux-{time.monotonic_ns()}")
        own = {"PS1": PROMPT, "PYTHONPATH": str(Path(__file__).parent.parent), "LC_ALL": "C.UTF-8"}
        dropped = {
            name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "TMUX")
        }
        self._environ = {**dropped, "SHELL": "/bin/bash", **own, **environ}
        size = ["-x", str(columns), "-y", str(lines)]
        self.tmux("-f", os.devnull, "new-session", "-d", *size, "bash", "--norc", "--noprofile")
        self.wait(PROMPT.strip())

    def tmux(self, *words: str) -> str:
        """What tmux says to the command."""
        command = ["tmux", "-u", "-S", self._socket, *words]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=10, check=True)
        return done.stdout

    def press(self, *keys: str) -> None:
        """Keys by their tmux names, or a letter each."""
        self.tmux("send-keys", *keys)

    def run(self, line: str) -> None:
        """A line for the shell."""
        self.tmux("send-keys", "-l", line)
        self.press("Enter")

    def screen(self, *flags: str) -> str:
        """What is seen."""
        return self.tmux("capture-pane", "-p", *flags)

    def tell(self, what: str) -> str:
        """One of tmux's variables, ``cursor_flag``."""
        return self.tmux("display-message", "-p", f"#{{{what}}}").strip()

    def wait(self, fact: str | Callable[[str], object], bound: float = 30.0) -> str:
        """The screen, as soon as it shows the text, or the fact is true of it."""
        deadline = time.monotonic() + bound
        while True:
            seen = self.screen()
            if fact in seen if isinstance(fact, str) else fact(seen):
                return seen
            if time.monotonic() > deadline:
                raise AssertionError(f"{fact!r} was not seen within {bound:g} s; on the screen:\n{seen}")
            time.sleep(0.03)

    def child(self) -> int:
        """The process that the shell runs now."""
        shell = self.tell("pane_pid")
        return int(Path(f"/proc/{shell}/task/{shell}/children").read_text().split()[0])

    def close(self) -> None:
        """The server ends, and the terminal with it."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, timeout=10, check=False)
