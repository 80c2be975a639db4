"""How a verb ends badly: the message goes to stderr, the exit code says whose turn it is."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

import click

from swapd.cli.console import stderr


class Failed(click.ClickException):
    """It was tried and did not work (exit 1). The message says what, why, and what to do next."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message; ``file`` is click's wish and always stderr."""
        text = f"swapd: {self.message}"
        if "JOURNAL_STREAM" in os.environ:
            from swapd.journal import is_journal, marked  # noqa: PLC0415  (few verbs are called by systemd)

            text = marked(text, "ERROR") if is_journal(os.environ, sys.stderr) else text
        stderr().line(text, style="red")


class BadConfig(Failed):
    """The config or the call has to be changed first (exit 2)."""

    exit_code = 2


class NotAllowed(Failed):
    """The daemon does not take orders from here, or not with this key."""
