"""Compares a tree with its shape: typed values out, and each mismatch a problem at its own place."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from swapd.config import shapes
from swapd.config.expand import LATER
from swapd.config.problems import Problems, did_you_mean
from swapd.config.schema import Guarded, Model
from swapd.config.shapes import Shape
from swapd.config.tree import Map, Node, Scalar, Seq, kind, plain_data

S = TypeVar("S", bound=msgspec.Struct)

_LEFT_OPEN = re.compile(r"\$\{(" + "|".join(sorted(LATER)) + r")\}")
_NAMES = shapes.Many(shapes.Leaf(str, {"type": "string"}), strict=True)
_FEW = 4
"""Keys of a section that are named where it is none."""
MODEL = "${model}"
"""Stands for itself while no model is known yet, as in ``defaults``."""


def _such_as(struct: type[msgspec.Struct]) -> str:
    """The keys of a section that has only few."""
    names = [f"'{name}'" for name in shapes.keys_of(struct)]
    return f" ({', '.join(names)})" if len(names) <= _FEW else ""


def _known_in(name: str) -> str:
    """Where ``${name}`` may stand."""
    keys = [f"'{key}'" for key, shape in shapes.keys_of(Model).items() if name in shapes.open_in(shape)]
    return " and ".join(filter(None, (", ".join(keys[:-1]), *keys[-1:]))) or "a model"


class _Wrong(Exception):
    """The value cannot be used; its problem is told."""


class Walk:
    """Reads values. ``home`` is what ``~`` stands for, ``model`` what ``${model}`` does (None: not in a model)."""

    def __init__(self, problems: Problems, home: str, model: str | None = None) -> None:
        self._problems = problems
        self._home = home
        self._model = model

    def section(self, struct: type[S], node: Node | None, key: str, skip: Collection[str] = ()) -> S:
        """The Struct that ``node`` describes. What is missing or wrong has its default; ``skip`` is not read."""
        values: dict[str, Any] = {}
        if isinstance(node, Map):
            known = shapes.keys_of(struct)
            for name, entry in node.entries.items():
                path = f"{key}.{name}" if key else name
                if name not in known:
                    message = f"there is no key '{name}' here{did_you_mean(name, known)}"
                    self._problems.add(entry.key.place, path, message)
                elif name not in skip:
                    self._keep(values, name, entry.value, known[name], path)
        elif node is not None and not (isinstance(node, Scalar) and (node.empty or node.broken)):
            told = kind(node, hidden=issubclass(struct, Guarded))
            self._problems.add(node.place, key, f"must be a mapping of keys{_such_as(struct)}, not {told}")
        return struct(**values)

    def _keep(self, values: dict[str, Any], name: str, node: Node, shape: Shape, key: str) -> None:
        try:
            values[name] = self._read(node, shape, key)
        except _Wrong:
            return

    def _wrong(self, node: Node, key: str, message: str) -> _Wrong:
        self._problems.add(node.place, key, message)
        return _Wrong()

    def _read(self, node: Node, shape: Shape, key: str) -> Any:
        match shape:
            case shapes.Leaf() | shapes.FilePath():
                return self._single(node, shape, key)
            case shapes.Many():
                return self._many(node, shape, key)
            case shapes.Table():
                return self._table(node, shape, key)
            case shapes.Section(struct=struct, short=short):
                if short is not None and isinstance(node, Scalar):
                    return struct(**{short: self._read(node, shapes.keys_of(struct)[short], key)})
                return self.section(struct, node, key)
            case shapes.Free():
                return self._free(node, key)
            case shapes.Later():
                raise self._wrong(node, key, shape.message)

    def _single(self, node: Node, shape: shapes.Leaf | shapes.FilePath, key: str) -> Any:
        if not isinstance(node, Scalar):
            raise self._wrong(node, key, f"must be a single value, not {kind(node)}")
        if node.broken:
            raise _Wrong
        if node.empty:
            raise self._wrong(node, key, "is empty: give it a value or remove the key")
        self._check_open(node, shape.open if isinstance(shape, shapes.Leaf) else shapes.NONE, key)
        try:
            value = self._path(node, shape) if isinstance(shape, shapes.FilePath) else shape.convert(node.text)
        except ValueError as error:
            raise self._wrong(node, key, str(error)) from None
        return self._named(value)

    def _check_open(self, node: Scalar, allowed: frozenset[str], key: str) -> None:
        for name in _LEFT_OPEN.findall(node.text) if "${" in node.text else ():
            if name not in allowed and (name != "model" or self._model is None):
                message = f"'${{{name}}}' cannot be used here: it is known only in {_known_in(name)}"
                raise self._wrong(node, key, message)

    def _named(self, value: Any) -> Any:
        """``${model}`` filled in, after splitting, so that no name can change how a command is split."""
        if self._model is not None and isinstance(value, str):
            return value.replace(MODEL, self._model)
        return tuple(self._named(part) for part in value) if isinstance(value, tuple) else value

    def _path(self, node: Scalar, shape: shapes.FilePath) -> str:
        text = node.text
        if not text.strip():
            raise ValueError("is empty: give it a path or remove the key")
        if shape.program and "/" not in text:
            return text
        if text == "~" or text.startswith("~/"):
            text = self._home + text[1:]
        return os.path.normpath(Path(node.place.file).absolute().parent / text)

    def _many(self, node: Node, shape: shapes.Many, key: str) -> tuple[Any, ...]:
        if isinstance(node, Map) or (shape.strict and isinstance(node, Scalar) and not node.broken):
            raise self._wrong(node, key, f"must be a list, not {kind(node)}")
        if isinstance(node, Scalar):
            return (self._read(node, shape.item, key),)
        values: dict[str, Any] = {}
        for n, item in enumerate(node.items):
            self._keep(values, f"{key}[{n}]", item, shape.item, f"{key}[{n}]")
        if len(values) < len(node.items):
            raise _Wrong
        return tuple(values.values())

    def _table(self, node: Node, shape: shapes.Table, key: str) -> dict[str, Any]:
        if shape.names_only and isinstance(node, Seq):
            return {name: self._read(Map(node.place), shape.value, key) for name in self._names(node, key)}
        if isinstance(node, Scalar) and (node.empty or node.broken):
            return {}
        if not isinstance(node, Map):
            hidden = isinstance(shape.value, shapes.Section) and issubclass(shape.value.struct, Guarded)
            raise self._wrong(node, key, f"must be a mapping of names, not {kind(node, hidden)}")
        values: dict[str, Any] = {}
        for name, entry in node.entries.items():
            self._keep(values, name, entry.value, shape.shape_of(name), f"{key}.{name}")
        return values

    def _names(self, node: Seq, key: str) -> tuple[str, ...]:
        names: tuple[str, ...] = self._many(node, _NAMES, key)
        return names

    def _free(self, node: Node, key: str) -> Any:
        self._check_free(node, key)
        return self._filled(plain_data(node))

    def _check_free(self, node: Node, key: str) -> None:
        match node:
            case Scalar():
                if node.broken:
                    raise _Wrong
                self._check_open(node, shapes.NONE, key)
            case Seq():
                for n, item in enumerate(node.items):
                    self._check_free(item, f"{key}[{n}]")
            case Map():
                for name, entry in node.entries.items():
                    self._check_free(entry.value, f"{key}.{name}")

    def _filled(self, data: Any) -> Any:
        match data:
            case dict():
                return {name: self._filled(value) for name, value in data.items()}
            case list():
                return [self._filled(item) for item in data]
        return self._named(data)
