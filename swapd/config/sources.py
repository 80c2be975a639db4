"""The files of a config: the main one and those it includes, brought together as one set of models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from swapd.config.expand import Expander
from swapd.config.pace import paced
from swapd.config.past import Past
from swapd.config.problems import Problems, did_you_mean
from swapd.config.read import read
from swapd.config.tree import Entry, Map, Node, Scalar, Seq, kind

_WILD = frozenset("*?[")


@dataclass(slots=True)
class Sources:
    """The models of all files, by name; the files read, keys apart; the folders where more may appear."""

    models: dict[str, Entry] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    key_files: list[Path] = field(default_factory=list)


def collect(
    main: Path, top: Map, patterns: Iterable[str], expander: Expander, problems: Problems, past: Past
) -> Sources:
    """Take the models of ``top`` and of every file that one of ``patterns`` matches, in sorted order."""
    sources = Sources(files=[main.absolute()])
    _expand_models(top, expander, past)
    _take(top, sources, problems)
    for pattern, node in zip(patterns, items(top.get("include")), strict=False):
        for path in _matches(pattern, node, sources, problems):
            sources.files.append(path)
            tree = read(path, problems, past.pieces)
            if tree is not None:
                expander.expand(tree, skip=("models",))
                _expand_models(tree, expander, past)
                _check_included(tree, problems)
                _take(tree, sources, problems)
    return sources


def items(node: Node | None) -> Iterator[Node]:
    """The values of a key that takes one or a list of them."""
    if node is not None:
        yield from node.items if isinstance(node, Seq) else [node]


def _matches(pattern: str, node: Node, sources: Sources, problems: Problems) -> Iterator[Path]:
    """The files that match and are not read yet. A name without a wildcard must exist."""
    if _WILD & set(pattern):
        found = _glob(Path(pattern), node, sources, problems)
    else:
        found = [Path(pattern)]
        if not os.path.exists(pattern):  # noqa: PTH110  (where pathlib raises for a name too long)
            sources.files.append(found[0])  # so that its coming is noticed
            problems.add(node.place, "include", f"there is no file '{pattern}': create it or remove it here")
            return
    known = set(sources.files)
    for path in found:
        if path not in known and not os.path.isdir(path):  # noqa: PTH112
            known.add(path)
            yield path


def _glob(pattern: Path, node: Node, sources: Sources, problems: Problems) -> list[Path]:
    """The matches in sorted order; hidden files are left out, editors keep their locks in them."""
    folder = next(folder for folder in pattern.parents if not _WILD & set(str(folder)))
    sources.folders.append(folder)
    try:
        matches = sorted(folder.glob(str(pattern.relative_to(folder))))
    except ValueError as error:
        problems.add(node.place, "include", f"'{pattern}' cannot be matched: {str(error).lower()}")
        return []
    return [path for path in matches if not path.name.startswith(".")]


def _check_included(tree: Map, problems: Problems) -> None:
    for name, entry in tree.entries.items():
        if name != "models":
            close = did_you_mean(name, ["models"])
            message = f"an included file holds only 'models'{close}: move '{name}' to the main file"
            problems.add(entry.key.place, name, message)


def _expand_models(tree: Map, expander: Expander, past: Past) -> None:
    """All but those that the last reading expanded just so."""
    entry = tree.entries.get("models")
    if entry is None:
        return
    models = entry.value
    if isinstance(models, Map):
        for name, entry in paced(models.entries.items()):
            if not past.has(name, entry.value):
                expander.expand(entry.value, f"models.{name}")
    else:
        expander.expand(models, "models")


def _take(tree: Map, sources: Sources, problems: Problems) -> None:
    models = tree.get("models")
    if isinstance(models, Scalar | Seq):
        problems.add(models.place, "models", f"must be a mapping of names, not {kind(models)}")
    elif models is not None:
        for name, entry in models.entries.items():
            first = sources.models.setdefault(name, entry)
            if first is not entry:
                message = f"'{name}' is already given at {first.key.place}: rename or remove one"
                problems.add(entry.key.place, f"models.{name}", message)
