"""Puts what a scan has found in its place: whole, checked before, and over nothing that is somebody's."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from swapd.cli.console import Bit, Console
from swapd.cli.failure import BadConfig, Failed
from swapd.cli.putting import beside, put
from swapd.cli.scan.config import Known
from swapd.cli.schema import write_schema
from swapd.cli.words import several
from swapd.config import Loaded, load
from swapd.config.author import CannotAdd, added, included, written
from swapd.core.draft import Draft

FOLDER, FILE = "models.d", "scanned.yaml"
HEAD = ("Found by `swapd scan --write`, which adds what is new at the end; yours to edit.",)


def place(console: Console, known: Known, draft: Draft) -> None:
    """Add to the config, or make it. Raises Failed and BadConfig; then nothing has changed."""
    assert known.path is not None
    try:
        if known.loaded is None:
            _first(console, known.path, draft)
        elif draft.models:
            _further(console, known.path, draft)
        else:
            console.line(f"nothing new: {known.path} stays as it is", style="green")
    except CannotAdd as error:
        raise BadConfig(f"{error}; `swapd scan` without --write prints what to add") from None
    except OSError as error:
        path, why = error.filename or known.path, error.strerror or error
        raise Failed(f"cannot write {path}: {why}; --config names another place") from None


def _first(console: Console, path: Path, draft: Draft) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = written(draft)
    _try(path, text)
    write_schema(path.parent)
    put(path, text, over=False)
    console.line(f"wrote {path}: {several(len(draft.models), 'model')}", style="green")
    at = "" if path.name == "swapd.yaml" and _is_usual(path) else f" -c {path}"
    console.bits(Bit("next: "), Bit(f"swapd serve{at}", "bold"), Bit(", then ask http://127.0.0.1:9292/v1"))


def _is_usual(path: Path) -> bool:
    home = Path(os.environ.get("HOME") or Path.home())
    return path.absolute() in (
        Path.cwd() / path.name,
        home / ".config/swapd/swapd.yaml",
        Path("/etc/swapd/swapd.yaml"),
    )


def _further(console: Console, main: Path, draft: Draft) -> None:
    """First the models' own file, then, where that is not included yet, the line that includes it."""
    target = main.parent / FOLDER / FILE
    before = _text(target) if target.exists() else None
    is_new = not target.parent.exists()
    target.parent.mkdir(exist_ok=True)
    new = written(Draft(draft.models, head=HEAD)) if before is None else added(before, draft)
    put(target, new, over=before is not None)
    try:
        loaded = load(main, os.environ)
        if target in loaded.files:
            _expect_good(main, loaded, "")
        else:
            _include(console, main, _pattern(target))
    except BaseException:
        target.unlink() if before is None else put(target, before, over=True)
        if is_new:
            with contextlib.suppress(OSError):
                target.parent.rmdir()
        raise
    console.line(f"wrote {target}: {several(len(draft.models), 'model')} more", style="green")
    console.line("a running swapd has seen it already; else the next command is `swapd serve`")


def _include(console: Console, main: Path, pattern: str) -> None:
    """Let the config include the file; what it then says is read before it is put in place."""
    try:
        longer = included(_text(main), pattern)
    except CannotAdd:
        todo = f"write `include: [{pattern}]` into it by hand, and scan again"
        raise CannotAdd(f"cannot add to {main} as it is written: {todo}") from None
    _try(main, longer)
    put(main, longer, over=True)
    console.line(f"{main} includes {pattern} now", style="green")


def _pattern(target: Path) -> str:
    """All files of the folder, if there is no other that would come in with it."""
    others = [path for path in target.parent.glob("*.yaml") if path != target]
    return f"{FOLDER}/{FILE}" if others else f"{FOLDER}/*.yaml"


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotAdd(f"cannot add to {path}: it is not UTF-8") from None


def _try(path: Path, text: str) -> None:
    """Read the text as if it stood there. Raises BadConfig."""
    with beside(path, text) as trial:
        _expect_good(path, load(trial, os.environ), str(trial))


def _expect_good(path: Path, loaded: Loaded, trial: str) -> None:
    if loaded.problems:
        problem = loaded.problems[0]
        told = problem.message.replace(trial, str(path)) if trial else problem.message
        raise BadConfig(f"cannot add to {path}: {problem.key}: {told}")
