"""Which files belong together: the parts of one model, and the projector that lies beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from swapd.scan import naming
from swapd.scan.found import Scan

_SPLIT = re.compile(r"(?P<base>.*)-(?P<n>\d{5})-of-(?P<all>\d{5})(?P<ending>\.gguf)", re.IGNORECASE)
MOST_PARTS = 1000
_BEST = ("F16", "BF16", "Q8_0", "F32")
"""Of several precisions of one projector the first of these; it is small, and llama.cpp's own choice is F16."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A model or a projector, and by what its mates are known."""

    path: Path
    base: str
    """Its name without quantization."""
    quant: str

    @property
    def family(self) -> tuple[Path, str]:
        """The files among which its mates are."""
        return self.path.parent, naming.family_of(self.path.name)


def parts_of(path: Path, scan: Scan) -> list[Path] | None:
    """All files of a model, by its first; None for one that is not the first, or where others are missing."""
    found = _SPLIT.fullmatch(path.name)
    if found is None:
        return [path]
    count = min(int(found["all"]), MOST_PARTS)
    names = [f"{found['base']}-{n:05d}-of-{found['all']}{found['ending']}" for n in range(1, count + 1)]
    there = [part for part in map(path.with_name, names) if part.exists()]
    if not there or path != there[0]:
        return None  # told of, or taken, with the first that is there
    if len(there) == count and int(found["n"]) == 1:
        return there
    scan.leave(path, f"{len(there)} of {count} parts are there: fetch the rest")
    return None


def projectors(models: Sequence[Sight], found: Iterable[Sight], scan: Scan) -> dict[Path, Path]:
    """Model -> its projector. What fits none, or no one for sure, is left out."""
    mated: dict[Path, Path] = {}
    for projector in sorted(found, key=_rank):
        beside = [model for model in models if model.family == projector.family]
        mine = beside if len({model.base for model in beside}) == 1 else _called_alike(projector, beside)
        if not beside:
            scan.leave(projector.path, "a projector, and no model beside it that it is for")
        elif not mine:
            names = len(beside)
            scan.leave(projector.path, f"which of the {names} models beside it this projector is for is not clear")
        elif not (free := [model for model in mine if model.path not in mated]):
            scan.leave(projector.path, f"the same projector as {mated[mine[0].path].name}, in another precision")
        else:
            mated |= {model.path: projector.path for model in free}
    return mated


def _rank(projector: Sight) -> tuple[int, str]:
    quant = projector.quant.upper().replace("FP", "F")
    return (_BEST.index(quant) if quant in _BEST else len(_BEST)), str(projector.path)


def _called_alike(projector: Sight, models: Sequence[Sight]) -> list[Sight]:
    """The models whose name is the projector's, but for the word that makes it one."""
    base = re.sub(r"[-._]?\bmm-?proj(?:ector)?\b[-._]?", "-", projector.base).strip("-._")
    if not base or base == "model":
        return []
    alike = [model for model in models if model.base.startswith(base) or base.startswith(model.base)]
    longest = max((len(model.base) for model in alike), default=0)
    return [model for model in alike if len(model.base) == longest]
