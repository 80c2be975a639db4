"""Whether what a launch needs is there at all: its program, and the files that its llama-server is to open.

Asked before a model that is not up makes others go: what is sure to fail may cost nobody else an engine.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePath

from swapd import tasks, threads
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.spec import Launch, Spec
from swapd.core.text import printable
from swapd.machine.asked import files_of
from swapd.machine.gguf import parts

log = logging.getLogger("swapd")
BINARY = "${binary}"
PATIENCE = 0.5
"""Seconds to look: on a disk that does not answer by then, the engine may find out itself."""
LLAMA_SERVER = "llama-server"
"""Part of the name of every program whose flags we know to name files of this machine."""
_FETCHING = "-mu --model-url -hf -hfr --hf-repo -hff --hf-file -dr --docker-repo -hfd -hfrd --hf-repo-draft"
FETCHING = frozenset(_FETCHING.split())
"""llama-server's flags (b10434) by which it fetches what is not there yet."""


class Presence:
    """Looks in a thread, once for all who ask meanwhile. ``find_binary``: what ``${binary}`` comes down to."""

    def __init__(self, environ: Mapping[str, str], find_binary: Callable[[], str | None]) -> None:
        self._path = environ.get("PATH", os.defpath)
        self._find_binary = find_binary
        self._looks: dict[str, asyncio.Task[Exit | None]] = {}

    async def refusal(self, spec: Spec) -> Refusal | None:
        """Why an engine of it cannot start; None where nothing is known to be missing."""
        look = self._looks.get(spec.name)
        if look is None:
            look = tasks.spawn(self._look(spec.launch), name=f"look for the files of {spec.name}")
            self._looks[spec.name] = look
            look.add_done_callback(lambda _: self._looks.pop(spec.name, None))
        await asyncio.wait([look], timeout=PATIENCE)
        missing = look.result() if look.done() and not look.cancelled() else None
        if missing is None:
            return None
        log.info("refuse a request for %s: %s; nobody makes room for it", spec.name, missing)
        return Refusal(Reason.START_FAILED, spec.name, missing)

    async def _look(self, launch: Launch) -> Exit | None:
        try:
            return await threads.run(self.missing, launch)
        except (OSError, ValueError, RuntimeError):  # the engine finds out; or there is no thread to be had
            return None

    def missing(self, launch: Launch) -> Exit | None:
        """What is not there, with what to do about it. Asks the disk. Raises OSError, ValueError."""
        if launch.url:
            return None
        if launch.argv[0] == BINARY:
            if self._find_binary() is None:
                return Exit(reason="there is no llama-server", hint=_again("install one, or set 'binary'"))
        elif not self._has_program(launch):
            reason = f"there is no program '{printable(launch.argv[0])}'"
            return Exit(reason=reason, hint=_again("install it, or give its full path"))
        return next(filter(None, map(_unusable, _files(launch))), None)

    def _has_program(self, launch: Launch) -> bool:
        program = launch.argv[0]
        if "/" in program:
            program = str(Path(launch.cwd or "") / program)
        return shutil.which(program, path=dict(launch.env).get("PATH", self._path)) is not None


def _files(launch: Launch) -> Iterator[Path]:
    """Those that the engine opens, as far as we know its flags: another's may be paths of another machine."""
    name = LLAMA_SERVER if launch.argv[0] == BINARY else PurePath(launch.argv[0]).name
    fetches = not FETCHING.isdisjoint(word.partition("=")[0].replace("_", "-") for word in launch.argv)
    if LLAMA_SERVER not in name or fetches or any(key.startswith("LLAMA_") for key, _ in launch.env):
        return
    files = files_of(launch.argv)
    for file in (files.model, files.draft, *files.others):
        if file is not None and "${" not in str(file):
            yield from (Path(launch.cwd or "") / part for part in parts(file))


def _unusable(path: Path) -> Exit | None:
    """By os.path, which answers False where pathlib raises: a name too long, a folder we may not enter."""
    text = printable(str(path))
    if not os.path.exists(path):  # noqa: PTH110
        return Exit(reason=f"there is no file '{text}'", hint=_again("put it there or mend the path"))
    if os.path.isdir(path):  # noqa: PTH112
        return Exit(reason=f"'{text}' is a folder", hint=_again("name a file within it"))
    if not os.access(path, os.R_OK):
        return Exit(reason=f"'{text}' cannot be read", hint=_again("let swapd's user read it"))
    return None


def _again(what: str) -> str:
    return f"{what}; the next request tries again"
