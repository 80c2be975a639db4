"""How a run ended, and what that usually means: by what it wrote, else by its status. The rows are data."""

from __future__ import annotations

import signal
from collections.abc import Iterable

from swapd.core.refusal import Exit
from swapd.engines.hints_gpu import GPUS, NO_GPU
from swapd.engines.hints_llama import FILES, FLAGS, MEMORY, REST
from swapd.engines.hints_row import Row
from swapd.engines.hints_system import CONTAINERS, SYSTEM

TABLE: tuple[Row, ...] = (*CONTAINERS, *GPUS, *SYSTEM, *FLAGS, *FILES, *MEMORY, *REST, *NO_GPU)
"""The first row that is found counts."""
KEPT = 20
"""Lines that an Exit keeps. More may be given: the cause stands above a backtrace, or above a page of usage."""
WORDLESS = frozenset({"SIGKILL", "SIGILL", "SIGBUS", "SIGSYS"})
"""Signals that end a process in the middle of anything: what it wrote before says nothing about why."""
BY_SIGNAL = {
    "SIGKILL": "if nobody killed it, the kernel did for want of memory (see dmesg): lower context or parallel, or "
    "make the budget of ram tighter",
    "SIGILL": "the binary was built for another CPU: take a build for this one, or build it here",
    "SIGABRT": "llama.cpp gave up, often on a GPU error: see its last lines",
    "SIGSEGV": "the engine crashed: try another build of it, and undo the last change of args",
    "SIGBUS": "a file that it had mapped became shorter, or its disk failed: was the model replaced while it ran?",
    "SIGFPE": "the engine crashed at a division: try another build of it, or another GGUF of the model",
    "SIGSYS": "a filter of system calls stopped it: loosen SystemCallFilter= of swapd's service",
    "SIGXFSZ": "it wrote a file larger than it may: raise LimitFSIZE= of swapd's service (or ulimit -f)",
    "SIGTERM": "somebody else than swapd asked it to end",
    "SIGHUP": "its terminal or its parent went away: the command has to stay in the foreground",
    "SIGPIPE": "whoever read what it writes went away: do not pipe the command into another",
}
BY_CODE = {
    0: "the command ended by itself: it has to stay in the foreground (no trailing &, no docker run -d)",
    125: "docker or podman could not start the container: see its last lines",
    126: "the command cannot be executed: check its rights (chmod +x), and that it is for this machine",
    127: "the command was not found: write its whole path, or set PATH in the model's env",
}
OBEYED = frozenset({0, -signal.SIGTERM, 128 + signal.SIGTERM})
"""How a process ends that does what SIGTERM says."""
UNKNOWN = "ended, and how is not known: an earlier life of swapd had started it"


def ended(
    status: int | None,
    lines: Iterable[str],
    *,
    asked: bool = False,
    faultless: bool = False,
    starved: str | None = None,
) -> Exit:
    """The Exit of an exit code, negative for a signal; None if nobody could tell.

    ``asked``: we told the process to go, so how it went says nothing about why; ``faultless``: and not because
    anything was wrong with it. ``starved``: what the kernel's counters tell about a SIGKILL (``oom``).
    """
    kept = tuple(lines)
    if status is None:
        return Exit(reason=UNKNOWN, log=kept[-KEPT:], hint=_by_lines(kept))
    name = _signal_name(-status) if status < 0 else None
    code = status if status >= 0 else None
    obeyed = faultless and status in OBEYED  # nothing is to be explained, and a look for it takes up to 10 ms
    return Exit(code, name, log=kept[-KEPT:], hint=None if obeyed else _hint(status, kept, asked, starved))


def _hint(status: int, lines: tuple[str, ...], asked: bool, starved: str | None) -> str | None:
    written = _by_lines(lines)
    if asked:
        return written
    signalled, through = _signalled(status)
    told = starved if signalled == "SIGKILL" and starved else BY_SIGNAL.get(signalled or "", BY_CODE.get(status))
    if told and through:
        told = f"{status} is 128 + {status - 128}, {signalled}, which the command ended with: {told}"
    return told or written if signalled in WORDLESS else written or told


def _by_lines(lines: tuple[str, ...]) -> str | None:
    text = "\n".join(lines)
    return next((hint for row in TABLE if (hint := row.found(text)) is not None), None)


def _signalled(status: int) -> tuple[str | None, bool]:
    """The signal that ended it; and whether a shell around it, or docker, says so: as 128 more than its number."""
    if status < 0:
        return _signal_name(-status), False
    name = _signal_name(status - 128) if status > 128 else None
    return (name, True) if name in BY_SIGNAL else (None, False)


def _signal_name(number: int) -> str:
    """As in "SIGKILL"; the real-time ones in between have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
