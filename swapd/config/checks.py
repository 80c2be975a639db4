"""What the machine says to a config: are the files there, can the programs be found? Warnings, not problems."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from swapd.config import llamacpp, standing
from swapd.config.drafts import Draft
from swapd.config.pace import paced
from swapd.config.problems import Place, Problems
from swapd.config.sources import items
from swapd.core.spec import TOOLS

FindBinary = Callable[[], str | None]


def check_machine(
    models: Sequence[Draft], search_path: str | None, find_binary: FindBinary | None, warnings: Problems
) -> None:
    """Look for each model's files and program; ``search_path`` is PATH, ``find_binary`` finds ``auto``."""
    which = functools.cache(lambda program: shutil.which(program, path=search_path))
    online = functools.cache(standing.online)
    automatic: list[Draft] = []
    for draft in paced(models):
        _check_files(draft, warnings)
        _check_tools(draft, which, warnings)
        _check_cpus(draft, online, warnings)
        program = _program(draft)
        if program == llamacpp.BINARY:
            automatic.append(draft)
        elif program and which(_from(draft.keys.cwd, program)) is None:
            key = "command" if draft.raw else "binary"
            message = f"there is no program '{program}': install it, or give its full path; {_UNTIL}"
            warnings.add(draft.place(key), draft.path(key), message)
    if automatic and find_binary is not None and find_binary() is None:
        first = automatic[0]
        message = (
            "no llama-server was found: put one on PATH, install swapd with its extra 'engine', or set 'binary'; "
            f"until then {_count(automatic)} cannot be started"
        )
        warnings.add(first.named, first.path("binary"), message)


_UNTIL = "until then the model cannot be started"


def _count(models: Sequence[Draft]) -> str:
    return f"'{models[0].name}'" if len(models) == 1 else f"{len(models)} models"


def _program(draft: Draft) -> str | None:
    if draft.remote:
        return None
    if draft.raw:
        return draft.keys.command[0] if draft.keys.command else None
    return llamacpp.BINARY if draft.keys.binary == "auto" else draft.keys.binary


def _from(folder: str | None, program: str) -> str:
    """A relative program with a slash starts from the folder where the process will stand."""
    return str(Path(folder or "") / program) if "/" in program else program


def _check_files(draft: Draft, warnings: Problems) -> None:
    for key, path, place in _files(draft):
        if (wrong := _unusable(path)) is not None:
            warnings.add(place, draft.path(key), f"{wrong}; {_UNTIL}")
    if draft.keys.cwd is not None and not os.path.isdir(draft.keys.cwd):  # noqa: PTH112  (see _unusable)
        message = f"there is no folder '{draft.keys.cwd}': create it or mend the path; {_UNTIL}"
        warnings.add(draft.place("cwd"), draft.path("cwd"), message)


def _check_tools(draft: Draft, which: Callable[[str], str | None], warnings: Problems) -> None:
    for key, tool in TOOLS.items():
        if getattr(draft.keys, key) not in (None, ()) and which(tool) is None:
            message = f"there is no program '{tool}', which sets it: install util-linux, or remove it; {_UNTIL}"
            warnings.add(draft.place(key), draft.path(key), message)


def _check_cpus(draft: Draft, online: Callable[[], Sequence[int]], warnings: Problems) -> None:
    """Linux leaves out what is not there, and refuses where nothing else is named (sched_setaffinity(2))."""
    places: Iterable[Place] = (item.place for item in items(draft.tree.get("cpus")))
    for named, place in zip(draft.keys.cpus, places, strict=False):
        if missing := set(named).difference(there := online()):
            message = f"this machine has no CPU {min(missing)}, its last is {there[-1]}: mend it, or remove it"
            warnings.add(place, draft.path("cpus"), message)


def _files(draft: Draft) -> Iterator[tuple[str, str, Place]]:
    if draft.raw:
        return
    keys = draft.keys
    for key, path in (("path", keys.path), ("mmproj", keys.mmproj), ("draft", keys.draft)):
        if path is not None:
            yield key, path, draft.place(key)
    loras: Iterable[Place] = (item.place for item in items(draft.tree.get("lora")))
    for path, place in zip(keys.lora, loras, strict=False):
        yield "lora", path, place


def _unusable(path: str) -> str | None:
    """By os.path, which answers False where pathlib raises: a name too long, a folder we may not enter."""
    if not os.path.exists(path):  # noqa: PTH110
        return f"there is no file '{path}': put it there or mend the path"
    if os.path.isdir(path):  # noqa: PTH112
        return f"'{path}' is a folder: name a file within it"
    return None if os.access(path, os.R_OK) else f"'{path}' cannot be read: let swapd's user read it"
