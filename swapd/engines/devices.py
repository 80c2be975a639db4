"""Asking an engine's binary for something that it prints and ends, such as its devices."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from swapd.engines.environment import scrubbed

BOUND = 10.0
"""Seconds. A driver that starts its GPUs first takes one or two."""


def output(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """What a command prints, run in the environment that engines get. Blocks; raises OSError, within BOUND."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=scrubbed(environ, (), "devices", ""),
            timeout=BOUND,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer within {BOUND:g} s") from error
    return done.stdout.decode(errors="replace")
