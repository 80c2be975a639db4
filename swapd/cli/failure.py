"""How a verb ends badly: the message goes to stderr, the exit code says whose turn it is."""

from __future__ import annotations

from typing import IO, Any

import click

from swapd.cli.console import stderr


class Failed(click.ClickException):
    """It was tried and did not work (exit 1). The message says what, why, and what to do next."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message; ``file`` is click's wish and always stderr."""
        stderr().line(f"swapd: {self.message}", style="red")


class BadConfig(Failed):
    """The config or the call has to be changed first (exit 2)."""

    exit_code = 2
