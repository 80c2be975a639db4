"""What the header of a GGUF file says: read by a walk that steps over what nobody asked for.

Layout as in the GGUF specification (ggml's docs/gguf.md): magic, version, counts, key-value pairs, tensor
infos. A vocabulary of 262 144 tokens is stepped over, not decoded: 0.1 s instead of 16 s.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_PAIRS = 1 << 16
MOST_TENSORS = 1 << 20
SHORT = 1024
"""Arrays up to this length are kept (a number for each layer); longer ones are vocabularies."""

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class BadGguf(Exception):
    """The file is not a GGUF, is cut short, or lies about itself; the message says which."""


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


def read(path: Path) -> Header:
    """Walk the header. Raises BadGguf, and OSError where the file cannot be read at all."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < 24:
            raise BadGguf(f"cannot read {path}: it is cut short ({size} bytes)")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _header(path, size, _Walk(data))
            except (struct.error, IndexError) as error:
                raise BadGguf(f"cannot read {path}: its header is cut short") from error


def parts(path: Path) -> list[Path]:
    """All files of a model that is split as ``-00001-of-00003.gguf``; the file alone otherwise."""
    found = re.fullmatch(r"(.*)-(\d{5})-of-(\d{5})\.gguf", path.name)
    if found is None:
        return [path]
    stem, _, count = found.groups()
    return [path.with_name(f"{stem}-{n:05d}-of-{count}.gguf") for n in range(1, int(count) + 1)]


def _header(path: Path, size: int, walk: _Walk) -> Header:
    if walk.take(4) != MAGIC:
        raise BadGguf(f"cannot read {path}: it is not a GGUF file")
    version = walk.number("<I")
    if version not in VERSIONS:
        raise BadGguf(f"cannot read {path}: GGUF version {version} is not known")
    tensors, pairs = walk.number("<Q"), walk.number("<Q")
    if pairs > MOST_PAIRS or tensors > MOST_TENSORS:
        raise BadGguf(f"cannot read {path}: its header claims {pairs} keys and {tensors} tensors")
    values = {}
    for _ in range(pairs):
        key = walk.string()
        value = walk.value(walk.number("<I"))
        if value is not None:
            values[key] = value
    return Header(path, size, tensors, values)


class _Walk:
    """A place in the mapped file that only moves forward."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next bytes; IndexError beyond the end."""
        end = self._at + count
        if end > len(self._data):
            raise IndexError
        found = self._data[self._at : end]
        self._at = end
        return found

    def number(self, form: str) -> Any:
        """The next scalar."""
        (found,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return found

    def string(self) -> str:
        """The next string."""
        return self.take(self.number("<Q")).decode(errors="replace")

    def value(self, kind: int) -> Any:
        """The next value of a type; None for a long array, which is stepped over."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array(self.number("<I"), self.number("<Q"))
        if kind not in _SCALARS:
            raise BadGguf(f"cannot read the header: value type {kind} is not known")
        return self.number(_SCALARS[kind])

    def _array(self, kind: int, count: int) -> Any:
        if kind == _ARRAY:  # allowed by the format, used by nobody, and a way to go down for ever
            raise BadGguf("cannot read the header: an array of arrays")
        if count <= SHORT:
            return [self.value(kind) for _ in range(count)]
        if kind in _SCALARS:
            self.take_over(count * struct.calcsize(_SCALARS[kind]))
        elif kind == _STRING:
            self._strings(count)
        else:
            raise BadGguf(f"cannot read the header: value type {kind} is not known")
        return None

    def _strings(self, count: int) -> None:
        """Step over strings; a plain loop on purpose, it is the only hot one here."""
        data, at, end, unpack = self._data, self._at, len(self._data), struct.Struct("<Q").unpack_from
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
            if at > end:
                raise IndexError
        self._at = at

    def take_over(self, count: int) -> None:
        """Step over bytes; IndexError beyond the end."""
        self._at += count
        if self._at > len(self._data):
            raise IndexError
