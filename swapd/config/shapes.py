"""What a key's value may look like: shapes, made from the type hints of ``schema``'s Structs."""

from __future__ import annotations

import functools
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)  # hashed by identity: a Union of hints hashes its parts
class Leaf:
    """A single value. ``convert`` raises ValueError; ``open`` names what may stay ``${unresolved}`` in it.

    ``json`` is the JSON Schema of what may be written.
    """

    convert: Callable[[str], Any]
    json: Mapping[str, Any]
    open: frozenset[str] = NONE


@dataclass(frozen=True, slots=True)
class FilePath:
    """A path, relative to the file that names it. ``program``: without a slash it is looked up on PATH."""

    program: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A list of one shape; a single value stands for a list of one unless ``strict``."""

    item: Shape
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys are names of the operator's choice. ``names_only``: a list of names will do too.

    ``named``: shapes of their own for names that match a whole pattern.
    """

    value: Shape
    names_only: bool = False
    named: Mapping[str, Shape] = field(default_factory=dict)

    def shape_of(self, name: str) -> Shape:
        """How the value of ``name`` is read. Upper and lower case are one here: who errs there is told of that."""
        case = re.IGNORECASE | re.ASCII
        return next((s for pattern, s in self.named.items() if re.fullmatch(pattern, name, case)), self.value)


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with the keys of a Struct. A single value may stand for one with just the key ``short``."""

    struct: type[msgspec.Struct]
    short: str | None = None


@dataclass(frozen=True, slots=True)
class Free:
    """Any data that JSON can say."""


@dataclass(frozen=True, slots=True)
class Later:
    """Known, but its effect is not built yet. ``instead`` says what works today, if anything does."""

    instead: str = ""

    @property
    def message(self) -> str:
        """The refusal."""
        return f"is not supported yet: {self.instead or 'remove it'}"


Shape = Leaf | FilePath | Many | Table | Section | Free | Later
_SHAPES = (Leaf, FilePath, Many, Table, Section, Free, Later)


@functools.cache
def keys_of(struct: type[msgspec.Struct]) -> dict[str, Shape]:
    """The keys that a section knows, each with its shape."""
    return {name: _shape(hint) for name, hint in get_type_hints(struct, include_extras=True).items()}


def open_in(shape: Shape) -> frozenset[str]:
    """The names that may stay ``${unresolved}`` somewhere in a value of this shape."""
    match shape:
        case Leaf():
            return shape.open
        case Many():
            return open_in(shape.item)
        case Table():
            return NONE.union(*map(open_in, (shape.value, *shape.named.values())))
        case Section():
            return NONE.union(*map(open_in, keys_of(shape.struct).values()))
    return NONE


def _shape(hint: Any) -> Shape:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        given = [note for note in arguments[1:] if isinstance(note, _SHAPES)]
        return given[0] if given else _shape(arguments[0])
    if origin in (Union, types.UnionType):
        return next(_shape(part) for part in arguments if part is not type(None))
    if origin is tuple:
        return Many(_shape(arguments[0]))
    if origin is dict:
        return Table(_shape(arguments[1]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return Section(hint)
    assert hint is Any, f"no shape for {hint}"
    return Free()
