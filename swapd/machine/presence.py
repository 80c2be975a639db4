"""Whether what a launch needs is there at all: its program, and the files that its llama-server is to open.

Asked before a model that is not up makes others go: what is sure to fail may cost nobody else an engine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path, PurePath

from swapd import tasks, threads
from swapd.core.refusal import Exit
from swapd.core.spec import Launch, Spec
from swapd.core.text import printable
from swapd.machine.asked import files_of
from swapd.machine.gguf import BadGguf, parts, read
from swapd.machine.weighing import BINARY

PATIENCE = 0.5
"""Seconds to look: on a disk that does not answer by then, the engine may find out itself."""
LLAMA_SERVER = "llama-server"
"""Part of the name of every program whose flags we know to name files of this machine."""
OURS = "swapd-llama-server"
"""The one script among them. Another's may run the engine elsewhere, in a container say, with other paths."""
_FETCHING = (
    "-mu --model-url -hf -hfr --hf-repo -hff --hf-file -dr --docker-repo "
    "-hfd -hfrd --hf-repo-draft --spec-draft-hf -mmu --mmproj-url"
)
FETCHING = frozenset(_FETCHING.split())
"""llama-server's flags (b10434, b11549) by which it fetches what is not there yet, into the very path."""
PRESETS = ("-default", "-spec")
"""How its flags end that stand for a model to be fetched, such as ``--gpt-oss-20b-default``."""
NO_PROJECTOR = frozenset(("--no-mmproj", "--no-mmproj-auto"))
"""With one of them, a projector that is named is not loaded."""
_AS_IT_OPENS = {"effective_ids": os.access in os.supports_effective_ids}
"""What a service was given (``CAP_DAC_READ_SEARCH``) lets its engines open files, and access(2) leaves it out."""


class Presence:
    """Looks in a thread, once for all who ask meanwhile. ``find_binary``: what ``${binary}`` comes down to."""

    def __init__(self, environ: Mapping[str, str], find_binary: Callable[[], str | None]) -> None:
        self._path = environ.get("PATH", os.defpath)
        self._find_binary = find_binary
        self._looks: dict[Launch, asyncio.Task[Exit | None]] = {}

    async def look(self, spec: Spec) -> Exit | None:
        """Why an engine of it cannot start; None where nothing is known to be missing.

        All who come to a look wait for one and the same answer, PATIENCE after its beginning at the latest: so
        nobody is overtaken, and a disk that hangs holds one thread and holds up each request once.
        """
        # Not by name: a reload may have mended what another still looks for.
        answer = self._looks.get(spec.launch) or self._begin(spec)
        return await asyncio.shield(answer)

    def _begin(self, spec: Spec) -> asyncio.Task[Exit | None]:
        """The answer, kept for as long as the disk takes."""
        search = tasks.spawn(self._asked(spec.launch), name=f"look for the files of {spec.name}")
        answer = self._looks[spec.launch] = tasks.spawn(_soon(search), name=f"wait for the files of {spec.name}")
        search.add_done_callback(lambda _: self._looks.pop(spec.launch, None))
        return answer

    async def _asked(self, launch: Launch) -> Exit | None:
        try:
            return await threads.run(self.missing, launch)
        except (OSError, ValueError, RuntimeError, BadGguf):  # the engine finds out; or no thread is to be had
            return None

    def missing(self, launch: Launch) -> Exit | None:
        """What is not there, with what to do about it. Asks the disk. Raises OSError, ValueError, BadGguf."""
        if launch.url:
            return None
        if launch.cwd is not None and not os.path.isdir(launch.cwd):  # noqa: PTH112
            reason = f"there is no folder '{printable(launch.cwd)}'"
            return Exit(reason=reason, hint=_again("create it, or mend 'cwd'"))
        if launch.argv[0] == BINARY:
            if (program := self._find_binary()) is None:
                return Exit(reason="there is no llama-server", hint=_again("install one, or set 'binary'"))
        elif _open(launch.argv[0]):
            return None
        elif (program := self._program(launch)) is None:
            reason = f"there is no program '{printable(launch.argv[0])}'"
            return Exit(reason=reason, hint=_again("install it, or give its full path"))
        if not _is_known(program, launch):
            return None
        return next(filter(None, map(_lacking, _files(launch))), None)

    def _program(self, launch: Launch) -> str | None:
        """Its path as execvpe(3) finds it: relative folders of a PATH, too, begin where the engine will stand."""
        program, path = launch.argv[0], dict(launch.env).get("PATH", self._path)
        if _open(path):
            return program
        folders = [""] if "/" in program else path.split(os.pathsep)
        paths = (os.path.join(launch.cwd or "", folder, program) for folder in folders)  # noqa: PTH118
        return next((p for p in paths if os.path.isfile(p) and os.access(p, os.X_OK, **_AS_IT_OPENS)), None)  # noqa: PTH113


async def _soon(search: asyncio.Task[Exit | None]) -> Exit | None:
    """What it found by now or soon; None if it does not know, or broke off, which is reported."""
    await asyncio.wait([search], timeout=PATIENCE)
    known = search.done() and not search.cancelled() and search.exception() is None
    return search.result() if known else None


def _open(text: str) -> bool:
    """Whether it holds what only the engine room fills in (``${port}``)."""
    return "${" in text


def _is_known(program: str, launch: Launch) -> bool:
    """Whether it is a llama-server that opens all its files itself: another's may be paths of another machine."""
    name = PurePath(program).name
    if LLAMA_SERVER not in name or (name != OURS and _is_script(program)):
        return False
    flags = [word.partition("=")[0].replace("_", "-") for word in launch.argv if word.startswith("-")]
    fetches = any(flag in FETCHING or flag.endswith(PRESETS) for flag in flags)
    return not fetches and not any(key.startswith("LLAMA_") for key, _ in launch.env)


def _is_script(program: str) -> bool:
    try:
        with Path(program).open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:  # an interpreter could not read it either
        return False


def _files(launch: Launch) -> Iterator[Path]:
    """Those that the engine is sure to open."""
    argv, files = launch.argv, files_of(launch.argv)
    drafts = any(flag == "--spec-type" and "draft" in kind for flag, kind in pairwise(argv))
    named = [files.model]
    if drafts:  # else it is not even looked at (b10434, b11549)
        named.append(files.draft)
    if NO_PROJECTOR.isdisjoint(argv):
        named += files.others
    for file in named:
        if file is not None and not _open(str(file)) and '"' not in str(file):  # quotes join what has commas
            yield Path(launch.cwd or "") / file


def _lacking(file: Path) -> Exit | None:
    """What is missing of it. Other parts count if its header knows of any: one made whole may keep its name."""
    if (wrong := _unusable(file)) is not None:
        return wrong
    wrong = next(filter(None, map(_unusable, parts(file))), None)
    if wrong is None:
        return None
    count = read(file).values.get("split.count")
    return wrong if isinstance(count, int) and count > 1 else None


def _unusable(path: Path) -> Exit | None:
    """By os.path, which answers False where pathlib raises: a name too long, a folder we may not enter."""
    text = printable(str(path))
    if not os.path.exists(path):  # noqa: PTH110
        return Exit(reason=f"there is no file '{text}'", hint=_again("put it there or mend the path"))
    if os.path.isdir(path):  # noqa: PTH112
        return Exit(reason=f"'{text}' is a folder", hint=_again("name a file within it"))
    if not os.access(path, os.R_OK, **_AS_IT_OPENS):
        return Exit(reason=f"'{text}' cannot be read", hint=_again("let swapd's user read it"))
    return None


def _again(what: str) -> str:
    return f"{what}; the next request tries again"
