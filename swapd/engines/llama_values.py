"""How the front reads the text behind a flag: each reader turns one word of argv into what xllamacpp wants.

A reader raises ValueError with what it expected. What only xllamacpp can make (its enums, lists as long as
its own) is left ``Late``: a function of the module and the field's present value, called once it is imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

Late = Callable[[Any, Any], object]
Read = Callable[[str], object]


def text(word: str) -> str:
    """The word itself."""
    return word


def whole(word: str) -> int:
    """A whole number."""
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"expected a whole number, not {word!r}") from None


def number(word: str) -> float:
    """A number, whole or not."""
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"expected a number, not {word!r}") from None


def port(word: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not 0 <= (n := whole(word)) <= 65535:
        raise ValueError(f"expected a port from 0 to 65535, not {word!r}")
    return n


def slots(word: str) -> int:
    """How many requests are served at once; -1 is automatic, as in llama-server."""
    if (n := whole(word)) == 0 or n < -1:
        raise ValueError(f"expected at least 1, or -1 for automatic, not {word!r}")
    return n


def layers(word: str) -> int:
    """A number of layers, ``auto`` (-1) or ``all`` (-2)."""
    return {"auto": -1, "all": -2}.get(word) or whole(word)


def seed(word: str) -> int:
    """An unsigned 32-bit seed; -1 is its largest value, which means random."""
    return whole(word) % (1 << 32)


def words(word: str) -> list[str]:
    """A list with commas between."""
    return [part for part in word.split(",") if part]


def names(word: str) -> set[str]:
    """A set with commas between."""
    return set(words(word))


def numbers(word: str) -> list[float]:
    """Numbers with commas between."""
    return [number(part) for part in words(word)]


def folder(word: str) -> str:
    """An existing folder, with the slash at its end that llama.cpp expects."""
    if not Path(word).is_dir():
        raise ValueError(f"{word} is not a folder")
    return word.rstrip("/") + "/"


def contents(word: str) -> str:
    """What the named file holds."""
    try:
        return Path(word).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as trouble:
        raise ValueError(f"cannot read {word}: {getattr(trouble, 'strerror', None) or trouble}") from None


def keys(word: str) -> list[str]:
    """The API keys in the named file: one a line, ``#`` starts a comment line."""
    lines = (line.strip() for line in contents(word).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def template_values(word: str) -> dict[str, str]:
    """A JSON object for the chat template, each value kept as JSON."""
    try:
        values = json.loads(word)
    except json.JSONDecodeError as trouble:
        raise ValueError(f"expected a JSON object: {trouble}") from None
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, not {word!r}")
    return {key: json.dumps(value) for key, value in values.items()}


def one_of(choices: Mapping[str, object]) -> Read:
    """A reader of these words only."""

    def read(word: str) -> object:
        if word not in choices:
            raise ValueError(f"expected {', '.join(choices)}, not {word!r}")
        return choices[word]

    return read


def member(enum: str, prefix: str, choices: str) -> Read:
    """A reader of the words in ``choices``: ``q8_0`` where the member is called so too, else ``on=ENABLED``."""
    pairs = (choice.partition("=") for choice in choices.split())
    return one_of(
        {word: late_member(enum, prefix + (name or word.upper().replace("-", "_"))) for word, _, name in pairs}
    )


def late_member(enum: str, name: str) -> Late:
    """The member ``name`` of one of xllamacpp's enums."""
    return lambda xllamacpp, _: getattr(getattr(xllamacpp, enum), name)


def shares(word: str) -> Late:
    """Proportions for each GPU, filled up with zeros to the length of llama.cpp's own list."""
    given = numbers(word)
    return lambda _, present: [*given, *[0.0] * (len(present) - len(given))]


def margins(word: str) -> Late:
    """Free memory to leave on each GPU, given in MiB, kept in bytes; one value serves them all."""
    given = [int(mib * (1 << 20)) for mib in numbers(word)]
    if not given:
        raise ValueError("expected sizes in MiB")
    return lambda _, present: given * len(present) if len(given) == 1 else [*given, *present[len(given) :]]


def adapters(word: str) -> Late:
    """LoRA files with commas between, each at full strength."""
    return lambda xllamacpp, _: [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in words(word)]


def drafters(word: str) -> Late:
    """Ways of guessing tokens ahead, with commas between."""
    late = [cast(Late, _DRAFTER(part)) for part in words(word)]
    return lambda xllamacpp, _: [choice(xllamacpp, None) for choice in late]


_DRAFTER = member(
    "common_speculative_type",
    "COMMON_SPECULATIVE_TYPE_",
    "none draft-simple draft-eagle3 draft-mtp ngram-simple ngram-mod ngram-cache",
)
