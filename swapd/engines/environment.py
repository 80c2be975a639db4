"""What an engine inherits of our environment: enough to find its libraries, nothing that configures it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate

MARKER = "SWAPD_RUN"
"""Names the run in the environment of its whole tree, wherever a child went."""
HOUSE = "SWAPD_HOUSE"
"""Names the house that the run is of: the state folder of the daemon that started it."""
TALKATIVE = (("LLAMA_ARG_LOG_VERBOSITY", "4"),)
"""The lowest level at which llama-server (b10434) says how many layers went to a GPU and what each buffer takes.
A request then writes 28 lines into the log, not 8. Builds that do not know the variable say it at any level."""

_DROPPED = (
    # llama-server reads some 140 of these; AIP_* even overrules --port
    "LLAMA_*",
    "AIP_*",
    # systemd's words to us, not to our children
    "NOTIFY_SOCKET",
    "WATCHDOG_*",
    "LISTEN_*",
    "FDSTORE",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
    "MEMORY_PRESSURE_*",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "LOGS_DIRECTORY",
    "CACHE_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    # our own, keys among them
    "SWAPD_*",
    # the interpreter we happen to run on
    "PYTHON*",
    "VIRTUAL_ENV",
    "LD_PRELOAD",
    "*_proxy",
    "*_PROXY",
)
_is_dropped = re.compile("|".join(map(translate, _DROPPED))).match


def scrubbed(
    environ: Mapping[str, str], extra: tuple[tuple[str, str], ...], marker: str, house: str
) -> dict[str, str]:
    """The environment of one run: ours, scrubbed; the model's own ``env`` on top; the marker and the house."""
    kept = inherited(environ)
    kept["GGML_NO_BACKTRACE"] = "1"  # else a crash forks gdb and takes seconds
    kept["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as the driver counts: CUDA0 is then the same card to us and to it
    kept["SPT_NOENV"] = "1"  # else Python's setproctitle (vLLM has it) writes over what /proc shows of our marks
    return kept | dict(extra) | {MARKER: marker, HOUSE: house}


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Of ours, what any program that we start may have."""
    return {name: value for name, value in environ.items() if not _is_dropped(name)}
