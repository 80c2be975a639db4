"""What a scan finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Facts(Protocol):
    """The header of a model file, as far as a scan looks at it."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    @property
    def tensors(self) -> int:
        """How many it holds."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Its metadata."""

    @property
    def arch(self) -> str:
        """What kind of network it is."""

    def get(self, key: str) -> Any:
        """A value under the architecture's own prefix."""


MOST_LEFT = 200
"""Files and folders left out of which each is told."""
ReadFacts = Callable[[Path], "Facts | str"]
"""The header of a file, or why there is none."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a model. ``name``: what a store calls it, else empty; ``mmproj``: what the store adds.

    ``manifest``: the store's own file about it.
    """

    path: Path
    identity: tuple[int, int]
    """Device and inode: the same for all names of one file."""
    size: int
    name: str = ""
    mmproj: Path | None = None
    manifest: Path | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that an engine can be started with. ``size``: bytes of all its files, projector apart."""

    name: str
    path: Path
    size: int
    kind: str
    """``chat``, ``embedding`` or ``rerank``."""
    title: str
    """What it calls itself, and how it is quantized."""
    trained: int
    """Tokens; 0 if the file does not say."""
    template: bool
    """Whether it brings a chat template."""
    caveat: str
    """What it cannot do as it is; empty if nothing is known."""
    identity: tuple[int, int]
    """Device and inode of its first file."""
    mmproj: Path | None = None
    aliases: tuple[str, ...] = ()
    pooling: str = ""
    """What its engine has to be told of it, where the file does not say."""


@dataclass(frozen=True, slots=True)
class Left:
    """A file or folder that was left out, and why."""

    path: Path
    why: str


@dataclass(slots=True)
class Scan:
    """All of it; grows while it is made."""

    models: list[Model] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    more_left: int = 0
    """Those beyond the bound of ``left``."""
    entries: int = 0
    """Files and folders that were met."""
    folders: list[Path] = field(default_factory=list)
    """Where the search began."""
    cut: str = ""
    """Why it ended before its end; empty if it did not."""
    interrupted: bool = False

    def leave(self, path: Path, why: str) -> None:
        """Note what is left out; bounded."""
        if len(self.left) < MOST_LEFT:
            self.left.append(Left(path, why))
        else:
            self.more_left += 1
