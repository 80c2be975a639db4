"""Asking a tool of the machine, such as systemctl, for something that it does or prints, and ends."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

BOUND = 120.0
"""Seconds. A service may take its own bounds to start or to stop."""


class Answer(NamedTuple):
    """How it ended. ``code`` 0 is well."""

    code: int
    out: str
    err: str


def ask(argv: Sequence[str], environ: Mapping[str, str], bound: float = BOUND) -> Answer:
    """Run it to its end, with nothing to read. Blocks; raises OSError, within ``bound`` seconds."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=dict(environ),
            timeout=bound,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer within {bound:g} s") from error
    return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())


def begin(argv: Sequence[str], environ: Mapping[str, str], fd: int) -> int:
    """Start a process that lives beside us and inherits ``fd``; its pid, to be waited for. Raises OSError."""
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, env=dict(environ), pass_fds=[fd], start_new_session=True
    )
    process.returncode = 0  # it is waited for by its pid
    return process.pid
