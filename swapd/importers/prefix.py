"""Programs that stand before a server's own: what they do becomes keys, or they fall away.

Options as their manual pages have them (coreutils, util-linux, sudo, numactl).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from swapd.importers import windows
from swapd.importers.quoting import literal

_ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_CPUS = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


@dataclass(slots=True)
class Bare:
    """A command without what stood before it. ``fell``: what fell away, with the reason."""

    words: list[str]
    keys: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    fell: list[tuple[str, str]] = field(default_factory=list)


def stripped(words: list[str]) -> Bare:
    """Take off all that is understood; what is not stays, and is the program then."""
    bare = Bare(list(words))
    while bare.words:
        assigned = _ASSIGNED.fullmatch(bare.words[0])
        if assigned is not None:
            bare.env[assigned[1]] = assigned[2]
            del bare.words[0]
            continue
        _native(bare)
        program = PurePath(bare.words[0]).name
        taken = _PREFIXES[program](bare) if program in _PREFIXES else 0
        if not taken or taken >= len(bare.words):
            return bare
        del bare.words[:taken]
    return bare


def _native(bare: Bare) -> None:
    """A program of Windows is looked for by its name here."""
    here = windows.program(bare.words[0])
    if here and here != bare.words[0]:
        bare.fell.append((bare.words[0], f"a program of Windows: here it is '{here}' of this machine"))
        bare.words[0] = here


def _before(program: str) -> str:
    return f"'{program}' before the command"


def _falls(why: str = "") -> Callable[[Bare], int]:
    """A program that stands alone before the command."""

    def take(bare: Bare) -> int:
        if why:
            bare.fell.append((_before(bare.words[0]), why))
        taken = 1
        while bare.words[taken : taken + 1] and bare.words[taken].startswith("-"):
            taken += 1
        return taken

    return take


def _sudo(bare: Bare) -> int:
    """Its options; those of ``-u`` and the like have a value."""
    bare.fell.append((_before("sudo"), "engines run as the user that swapd runs as"))
    n = 1
    while n < len(bare.words) and bare.words[n].startswith("-"):
        n += 2 if bare.words[n] in ("-u", "-g", "--user", "--group", "-C", "-p", "-h") else 1
    return n


def _nice(bare: Bare) -> int:
    words = bare.words
    match words[1:3]:
        case ["-n" | "--adjustment", value]:
            taken = 3
        case [option, *_] if option.startswith(("-n", "--adjustment=")):
            value, taken = option.removeprefix("--adjustment=").removeprefix("-n"), 2
        case [option, *_] if re.fullmatch(r"-{1,2}\d+", option):
            value, taken = option[1:], 2
        case _:
            value, taken = "10", 1
    if not re.fullmatch(r"-?\d{1,2}", value):
        return 0
    bare.keys["nice"] = int(value)
    return taken


def _taskset(bare: Bare) -> int:
    match bare.words[1:3]:
        case ["-c" | "--cpu-list" | "-ac" | "-ca", cpus] if _CPUS.fullmatch(cpus):
            bare.keys["cpus"] = cpus
            return 3
    return 0


def _numactl(bare: Bare) -> int:
    """Only where it says nothing but CPUs: what it says of memory no key can."""
    n, cpus = 1, ""
    while n < len(bare.words) and bare.words[n].startswith("-"):
        option, _, value = bare.words[n].partition("=")
        if option not in ("-C", "--physcpubind"):
            return 0
        if not value:
            n += 1
            value = "".join(bare.words[n : n + 1])
        cpus = value
        n += 1
    if not _CPUS.fullmatch(cpus):
        return 0
    bare.keys["cpus"] = cpus
    return n


def _env(bare: Bare) -> int:
    """Its assignments are left to the loop; ``-u NAME`` and ``-i`` are for a shell that inherits."""
    n = 1
    while n < len(bare.words) and bare.words[n].startswith("-"):
        n += 2 if bare.words[n] in ("-u", "--unset", "-C", "--chdir") else 1
    return n


def _exec(bare: Bare) -> int:
    """``-a NAME`` is what the process would call itself."""
    return _falls()(bare) + (bare.words[1:2] == ["-a"])


def _timeout(bare: Bare) -> int:
    """Its options; those of ``-k`` and ``-s`` have a value; then the time."""
    bare.fell.append((_before(bare.words[0]), "swapd ends an engine when it is idle (see 'ttl')"))
    n = 1
    while n < len(bare.words) and bare.words[n].startswith("-"):
        n += 2 if bare.words[n] in ("-k", "-s", "--kill-after", "--signal") else 1
    return n + 1


_PREFIXES: dict[str, Callable[[Bare], int]] = {
    "nice": _nice,
    "taskset": _taskset,
    "numactl": _numactl,
    "env": _env,
    "sudo": _sudo,
    "exec": _exec,
    "eval": _falls(),
    "timeout": _timeout,
    "command": _falls(),
    "nohup": _falls(),
    "setsid": _falls(),
    "time": _falls(),
    "stdbuf": _falls("swapd keeps an engine's output as it comes"),
    "ionice": lambda bare: _with_values(bare, "no key says how the disk is shared"),
}


def _with_values(bare: Bare, why: str) -> int:
    """A program all of whose options have a value, joined or in the next word."""
    bare.fell.append((_before(bare.words[0]), why))
    n = 1
    while n < len(bare.words) and bare.words[n].startswith("-"):
        n += 1 if "=" in bare.words[n] or len(bare.words[n]) > 2 else 2
    return n


def assignments(lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """``NAME=value`` each; those that are none besides."""
    found, wrong = {}, []
    for line in lines:
        match = _ASSIGNED.fullmatch(line)
        if match is None:
            wrong.append(literal(line))
        else:
            found[match[1]] = match[2]
    return found, wrong
