"""``swapd import``: what another tool is configured with, as a config."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swapd.cli.console import Bit, stderr, stdout
from swapd.cli.failure import BadConfig, Failed
from swapd.cli.words import several

if TYPE_CHECKING:
    from swapd.core.draft import Draft
    from swapd.importers.ollama import Stored
    from swapd.importers.sheet import Beside
    from swapd.scan.found import Candidate

MOST_BYTES = 1 << 20
KINDS = ("llama-swap", "preset", "ollama", "command", "compose", "unit")
PRIVATE = 0o600


@click.command("import")
@click.argument("file", metavar="FILE|DIR|-")
@click.option("--from", "kind", type=click.Choice(KINDS), help="What FILE is, where its content does not tell.")
@click.option("--write", type=click.Path(path_type=Path), help="Write a new config there, over nothing.")
@click.option("--add", type=click.Path(path_type=Path), help="Add it to a config that is there.")
def verb(file: str, kind: str | None, write: Path | None, add: Path | None) -> None:
    """Carry over what another tool is configured with.

    FILE is a llama-swap YAML, a preset file of llama-server, a docker-compose file, a systemd unit, a shell script
    or a pasted command line; DIR the model store of Ollama. What it is, is seen by its content. The config goes to
    stdout, with a comment for everything that could not be carried over.
    """
    from swapd.importers.sheet import CannotImport, left_out  # noqa: PLC0415  (`--help` need not pay for it)

    if write is not None and add is not None:
        raise BadConfig("cannot import with --write and --add: the one makes a file, the other needs one")
    try:
        draft = _draft(file, kind or "")
    except CannotImport as error:
        raise Failed(f"cannot import {file}: {error}") from None
    if write is None and add is None:
        from swapd.config.author import written  # noqa: PLC0415

        stdout().text(written(draft).rstrip("\n") + "\n")
    elif write is not None:
        _write(write, draft)
    elif add is not None:
        _add(add, draft)
    lost = left_out(draft)
    told = f", {several(lost, 'thing')} left out: see the lines with 'left out'" if lost else ""
    stderr().line(f"{several(len(draft.models), 'model')}{told}", style="yellow" if lost else "green")


def _draft(file: str, kind: str) -> Draft:
    """Raises CannotImport."""
    from swapd.importers.recognise import imported  # noqa: PLC0415
    from swapd.importers.sheet import CannotImport, Source  # noqa: PLC0415

    path = Path(file)
    if file != "-" and (kind == "ollama" or path.is_dir()):
        if kind not in ("", "ollama"):
            raise CannotImport(f"it is a folder, and --from {kind} needs a file")
        return _of_store(path)
    if kind == "ollama":
        raise CannotImport("--from ollama needs a folder, the store itself")
    folder = Path.cwd() if file == "-" else path.absolute().parent
    source = Source(_text(path, file), str(folder), file, _beside(folder), os.environ)
    return imported(source, parsed, kind)


def _beside(folder: Path) -> Beside:
    """Reads what lies beside a file."""

    def read(name: str) -> str | None:
        path = folder / name
        return _text(path, str(path)) if os.path.lexists(path) else None

    return read


def _text(path: Path, name: str) -> str:
    """What the file holds, or what is pasted. Raises CannotImport."""
    from swapd.importers.sheet import CannotImport  # noqa: PLC0415

    try:
        if name == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            if not stat.S_ISREG(path.stat().st_mode):
                raise CannotImport("it is no file")
            with path.open("rb") as file:
                data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise CannotImport(f"{why}; check the path and who may read it") from None
    if len(data) > MOST_BYTES:
        raise CannotImport(f"it is larger than {MOST_BYTES >> 20} MiB, which no file of these tools is")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CannotImport("it is UTF-16, not UTF-8: save it in that encoding")
    if b"\0" in data:
        raise CannotImport("it is binary: name the file that the other tool is configured with")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CannotImport("it is not UTF-8: save it in that encoding") from None


def parsed(text: str) -> Any:
    """A YAML text as plain data, within the bounds of our own configs. Raises ValueError."""
    from swapd.config.compose import Unreadable, compose  # noqa: PLC0415
    from swapd.config.problems import Problems  # noqa: PLC0415
    from swapd.config.tree import plain_data  # noqa: PLC0415

    problems = Problems()
    try:
        data = plain_data(compose(text, "", problems))
    except Unreadable as error:
        raise ValueError(f"line {error.place.line}: {error}") from None
    for problem in problems.sorted()[:1]:
        raise ValueError(f"line {problem.line}: {problem.message}")
    return data


def _of_store(folder: Path) -> Draft:
    """The models of an Ollama store. Raises CannotImport."""
    from swapd.importers.ollama import imported  # noqa: PLC0415
    from swapd.importers.sheet import CannotImport, left  # noqa: PLC0415
    from swapd.scan import Scan  # noqa: PLC0415
    from swapd.scan.ollama import stored  # noqa: PLC0415

    below = [folder, folder / "models", folder / ".ollama" / "models"]
    store = next((each for each in below if (each / "manifests").is_dir() and (each / "blobs").is_dir()), None)
    if store is None:
        raise CannotImport(
            "it is a folder, and no store of Ollama with 'manifests' and 'blobs'; `swapd scan` finds model files"
        )
    scan = Scan()
    models = [_stored(store.absolute(), each) for each in stored(store.absolute(), scan)]
    return imported(models, str(store.absolute()), [left(str(each.path), each.why) for each in scan.left])


def _stored(store: Path, found: Candidate) -> Stored:
    """One of them with what else the store says of it."""
    from swapd.cli.scan.config import facts_of  # noqa: PLC0415
    from swapd.importers.ollama import Stored  # noqa: PLC0415
    from swapd.scan.kinds import CHAT, kind_of  # noqa: PLC0415
    from swapd.scan.ollama import texts  # noqa: PLC0415

    facts = facts_of(found.path)
    kind = CHAT if isinstance(facts, str) else kind_of(facts, found.name)
    said = texts(store, found.manifest) if found.manifest is not None else {}
    return Stored(found.name, str(found.path), str(found.mmproj or ""), kind, said)


def _write(path: Path, draft: Draft) -> None:
    """A file of its own; nobody else may read the keys in it. Raises BadConfig and Failed."""
    from swapd.cli.putting import put  # noqa: PLC0415
    from swapd.config.author import written  # noqa: PLC0415
    from swapd.importers.sheet import holds_secrets  # noqa: PLC0415

    private = holds_secrets(draft)
    try:
        put(path, written(draft), over=False, mode=PRIVATE if private else None)
    except FileExistsError:
        raise BadConfig(f"cannot write {path}: it is there already; name another, or use --add") from None
    except OSError as error:
        raise Failed(f"cannot write {path}: {error.strerror or error}") from None
    only = ", which only you may read, as there are keys in it" if private else ""
    stderr().line(f"wrote {path}{only}")
    _tell_problems(path)


def _add(path: Path, draft: Draft) -> None:
    """Into a file that is there, whose comments stay. Raises BadConfig and Failed."""
    from swapd.cli.putting import put  # noqa: PLC0415
    from swapd.config.author import CannotAdd, added  # noqa: PLC0415
    from swapd.importers.sheet import holds_secrets, one_by_one  # noqa: PLC0415

    try:
        put(path, added(path.read_text(encoding="utf-8"), one_by_one(draft)), over=True)
        seen = path.stat().st_mode & 0o077
    except CannotAdd as error:
        raise BadConfig(f"cannot add to {path}: {str(error).removeprefix('cannot add ')}") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Failed(f"cannot add to {path}: {why}") from None
    stderr().line(f"added to {path}")
    if holds_secrets(draft) and seen:
        warning = f"there are keys in it now, and others may read it: chmod 600 {path}"
        stderr().bits(Bit("warning: ", "yellow"), Bit(warning))
    _tell_problems(path)


def _tell_problems(path: Path) -> None:
    """What the config still lacks, such as a variable that is not set here."""
    from swapd.config import load  # noqa: PLC0415

    problems = load(path, os.environ).problems
    if problems:
        found = several(len(problems), "problem")
        stderr().line(f"it has {found} here, the first: {problems[0].message}", style="yellow")
    stderr().bits(Bit("next: "), Bit(f"swapd check -c {path}", "bold"))
