"""Names that people would give: short, lower case, without what all have in common."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence

_PART = re.compile(r"-\d{5}-of-\d{5}$")
_CACHED = re.compile(r"^[^_/]+_.+?[-_]gguf_(?=.)", re.IGNORECASE)
"""llama.cpp's cache puts owner and repository before a file's name."""
_QUANT = re.compile(
    r"[-._ ](?P<quant>(?:UD-)?(?:I?Q[1-8](?:_[A-Z0-9]+)*|TQ[12]_0|B?F16|FP?32|FP16|MXFP4(?:_MOE)?|NVFP4))$",
    re.IGNORECASE,
)
_SAYS_NOTHING = re.compile(r"(?:ggml-)?model|ggml|gguf|weights|consolidated|unnamed", re.IGNORECASE)
_ODD = re.compile(r"[^a-z0-9._:+-]+")
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 32: "BF16",
    38: "MXFP4",
}  # fmt: skip
"""``general.file_type`` (gguf-py, LlamaFileType): for files whose name does not say."""
MOST = 64
"""Characters of a name."""


def stem_of(file: str) -> str:
    """A file's name without ending, part and what a cache puts before it."""
    return _CACHED.sub("", _PART.sub("", re.sub(r"\.gguf$", "", file, flags=re.IGNORECASE)))


def family_of(file: str) -> str:
    """What a flat cache puts before the names of all files of one repository; empty elsewhere."""
    found = _CACHED.match(file)
    return found.group() if found else ""


def quant_of(stem: str, file_type: object = None) -> str:
    """``Q4_K_M``; empty if neither the name nor the header says."""
    found = _QUANT.search(stem)
    return found["quant"] if found else _FILE_TYPES.get(file_type, "") if isinstance(file_type, int) else ""


def short(stem: str, title: str, folder: str) -> str:
    """A name without its quantization; from the title or the folder where the file's says nothing."""
    bare = _QUANT.sub("", stem)
    for said in (bare, title, folder):
        name = _plain(_QUANT.sub("", said))
        if name and not _SAYS_NOTHING.fullmatch(name):
            return name
    return "model"


def _plain(text: str) -> str:
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    name = _ODD.sub("-", "".join(letters).lower()).removesuffix("-gguf")
    return name.strip("-._:+")[:MOST].rstrip("-._:+")


def plain_store(name: str) -> tuple[str, tuple[str, ...]]:
    """A store's name as a model's, and what else it is called: ``gemma3:latest`` is ``gemma3`` too."""
    said = _plain(name.rpartition("/")[2])
    bare = said.removesuffix(":latest")
    return (bare, (said,)) if bare != said else (said, ())


def unique(wanted: Sequence[tuple[str, str]], taken: Collection[str]) -> list[str]:
    """Names for (short, quantization), in this order. A quantization is said only where two differ by it."""
    used, given = set(taken), []
    shared = {name for name, count in Counter(name for name, _ in wanted).items() if count > 1}
    for name, quant in wanted:
        full = f"{name}-{quant.lower()}" if quant and (name in shared or name in used) else name
        number, chosen = 2, full
        while chosen in used:
            chosen, number = f"{full}-{number}", number + 1
        used.add(chosen)
        given.append(chosen)
    return given
