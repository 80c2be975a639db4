"""What the header of a GGUF file says: read by a walk that steps over what nobody asked for.

Layout as in the GGUF specification (ggml's docs/gguf.md): magic, version, counts, key-value pairs, tensor
infos. A vocabulary of 262 144 tokens is stepped over, not decoded: 0.1 s instead of 16 s. Whatever a file
claims, no more than ``MOST_BYTES`` of it are ever read. (They are read, not mapped: a map of a file that is
being replaced kills the process that looks at it.)
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_PAIRS = 1 << 12
MOST_TENSORS = 1 << 17
MOST_BYTES = 64 << 20
"""Headers are 1 to 15 MiB, nearly all of it the vocabulary."""
FIRST_BYTES = 64 << 10
"""Read at first; then each time as much again, while the header goes on."""
SHORT = 1024
"""Arrays up to this length are kept (a number for each layer); longer ones are vocabularies."""

_SCALARS = {
    kind: struct.Struct("<" + form)
    for kind, form in {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"}.items()
} | {10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d")}
_STRING, _ARRAY = 8, 9
_U32, _U64 = _SCALARS[4], _SCALARS[10]

T = TypeVar("T")


class BadGguf(Exception):
    """The file is not a GGUF, is cut short, or lies about itself; the message says which."""


class NoModel(BadGguf):
    """No engine can load it: it is no GGUF at all, or ends within its own header."""


class _TooShort(Exception):
    """The file ends before its header does."""


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata of one file. ``size``: bytes of the file; ``values``: scalars, strings and short arrays."""

    path: Path
    size: int
    tensors: int
    values: Mapping[str, Any]

    @property
    def arch(self) -> str:
        """``general.architecture``."""
        return str(self.values.get("general.architecture", "?"))

    def get(self, key: str) -> Any:
        """A value under the architecture's own prefix: ``block_count`` is ``llama.block_count``."""
        return self.values.get(f"{self.arch}.{key}")

    def count(self, key: str, most: int) -> int | None:
        """A whole number from 0 to ``most``; None if the file does not say. Raises BadGguf for all else."""
        found = self.get(key)
        if found is not None and not (isinstance(found, int) and 0 <= found <= most):
            raise BadGguf(f"cannot believe {self.path}: its {key} is {found!r:.40}")
        return found


def read(path: Path) -> Header:
    """Walk the metadata. Raises BadGguf, and OSError where the file cannot be read at all."""
    return _walk(path, lambda walk, size: _header(path, size, walk))


def tensor_sizes(path: Path) -> dict[str, int]:
    """Bytes of each tensor of one file, alignment included. Raises as ``read`` does."""
    return _walk(path, lambda walk, size: _sizes(path, size, walk))


def parts(path: Path) -> list[Path]:
    """All files of a model that is split as ``-00001-of-00003.gguf``; the file alone otherwise."""
    found = re.fullmatch(r"(.*)-(\d{5})-of-(\d{5})\.gguf", path.name)
    if found is None or not 1 <= int(found[2]) <= int(found[3]):
        return [path]
    return [path.with_name(f"{found[1]}-{n:05d}-of-{found[3]}.gguf") for n in range(1, int(found[3]) + 1)]


def size_of(path: Path) -> int:
    """Bytes of a model with all its parts. Raises BadGguf if one is missing beside others, and OSError."""
    names = parts(path)
    size = path.stat().st_size
    for part in names:
        if part != path:
            try:
                size += part.stat().st_size
            except FileNotFoundError:
                raise BadGguf(
                    f"cannot read {path}: {part.name}, one of its {len(names)} parts, is missing"
                ) from None
    return size


def _walk(path: Path, visit: Callable[[_Walk, int], T]) -> T:
    if path.exists() and not path.is_file():
        raise BadGguf(f"cannot read {path}: it is not a file")
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            return visit(_Walk(file, size), size)
        except BadGguf as error:
            raise type(error)(f"cannot read {path}: {error}") from None
        except _TooShort:
            why = f"its header is cut short ({size} bytes)" if size else "it is empty"
            raise NoModel(f"cannot read {path}: {why}") from None


def _header(path: Path, size: int, walk: _Walk) -> Header:
    if walk.take(4) != MAGIC:
        raise NoModel("it is not a GGUF file")
    version = walk.number(_U32)
    if version not in VERSIONS:
        raise BadGguf(f"GGUF version {version} is not known")
    tensors, pairs = walk.number(_U64), walk.number(_U64)
    if pairs > MOST_PAIRS or tensors > MOST_TENSORS:
        raise BadGguf(f"its header claims {pairs} keys and {tensors} tensors")
    values = {}
    for _ in range(pairs):
        key = walk.string()
        value = walk.value(walk.number(_U32))
        if value is not None:
            values[key] = value
    return Header(path, size, tensors, values)


def _sizes(path: Path, size: int, walk: _Walk) -> dict[str, int]:
    """Each tensor reaches to the next one's offset, the last to the end of the file."""
    starts = {}
    for _ in range(_header(path, size, walk).tensors):
        name = walk.string()
        dimensions = walk.number(_U32)
        walk.step(8 * dimensions + 4)
        starts[name] = walk.number(_U64)
    ends = sorted({*starts.values(), max(0, size - walk.at)})
    after = dict(pairwise(ends))
    return {name: max(0, min(after.get(start, start), size) - start) for name, start in starts.items()}


class _Walk:
    """A place in the file that only moves forward; what lies before it was read.

    Raises _TooShort beyond the end, and BadGguf beyond what is ever read.
    """

    def __init__(self, file: io.FileIO, size: int) -> None:
        self._file = file
        self._size = size
        self._data = b""
        self.at = 0

    def step(self, count: int) -> None:
        """Step over bytes."""
        self.at += count
        if self.at > len(self._data):
            self._reach(self.at)

    def _reach(self, end: int) -> None:
        """Read on, to this place at least."""
        if end > self._size:
            raise _TooShort
        if end > MOST_BYTES:
            raise BadGguf(f"its header is larger than {MOST_BYTES >> 20} MiB")
        while (there := len(self._data)) < end:
            piece = self._file.read(min(max(there, FIRST_BYTES), MOST_BYTES - there))
            if not piece:  # it was cut meanwhile
                raise _TooShort
            self._data += piece

    def take(self, count: int) -> bytes:
        """The next bytes."""
        begin = self.at
        self.step(count)
        return self._data[begin : self.at]

    def number(self, form: struct.Struct) -> Any:
        """The next scalar."""
        (found,) = form.unpack(self.take(form.size))
        return found

    def string(self) -> str:
        """The next string."""
        return self.take(self.number(_U64)).decode(errors="replace")

    def value(self, kind: int) -> Any:
        """The next value of a type; None for a long array, which is stepped over."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array(self.number(_U32), self.number(_U64))
        return self.number(_scalar(kind))

    def _array(self, kind: int, count: int) -> Any:
        if kind == _ARRAY:  # allowed by the format, used by nobody, and a way to go down for ever
            raise BadGguf("an array of arrays")
        if kind == _STRING:
            return [self.string() for _ in range(count)] if count <= SHORT else self._strings(count)
        form = _scalar(kind)
        if count <= SHORT:
            return list(struct.unpack(f"<{count}{form.format[1:]}", self.take(count * form.size)))
        return self.step(count * form.size)

    def _strings(self, count: int) -> None:
        """Step over strings; a plain loop on purpose, it is the only hot one here."""
        unpack = _U64.unpack_from
        while count:
            data, at = self._data, self.at
            try:
                for left in range(count, 0, -1):  # noqa: B007  (what is left where it was interrupted)
                    at += 8 + unpack(data, at)[0]
                count = 0
            except (struct.error, OverflowError):  # the next one's length was not read yet
                count = left
                self._reach(at + 8)
            self.at = at
        self.step(0)


def _scalar(kind: int) -> struct.Struct:
    if kind not in _SCALARS:
        raise BadGguf(f"value type {kind} is not known")
    return _SCALARS[kind]
