"""Single values: text in, a Python value out. A ValueError's text tells the operator how to write it right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

from swapd.config.problems import did_you_mean
from swapd.core.settings import Window

T = TypeVar("T")

LEAST_KEY, MOST_KEY = 8, 4096
"""Characters. aiohttp refuses a header of more than 8190 bytes."""

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_BYTES = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base ** (power + 1)
    for power, letter in enumerate("KMGT")
    for suffix, base in (("iB", 1024), ("B", 1000))
}
_WINDOWS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "day": 86400.0}
_MANY = {"": 1, "k": 1000, "M": 1000000}
_POWERS = ("B", "KiB", "MiB", "GiB", "TiB")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]*)", re.ASCII)
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([A-Za-z]*) ?/ ?([A-Za-z]+)", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,9}[kK]", re.ASCII)
"""As people write a context; what they mean is 1024 of each."""
_DECIMAL = re.compile(r"[-+]?(?:\d{1,300}\.\d*|\.\d+|\d{1,300}(?=[eE]))(?:[eE][-+]?\d{1,3})?", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]{1,15}")


def text(value: str) -> str:
    """The text itself; a value that is wanted must not be empty."""
    if not value.strip():
        raise ValueError("is empty: give it a value or remove the key")
    return value


def duration(value: str) -> float:
    """Seconds: ``500ms``, ``30s``, ``15m``, ``1h``, ``2d``; a plain number is seconds."""
    match = _AMOUNT.fullmatch(value)
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f"'{value}' is not a duration: write it like 500ms, 30s, 15m, 1h or 2d")
    return float(match[1]) * _SECONDS[match[2]]


def size(value: str) -> int:
    """Bytes: ``512MiB``, ``22GiB``, ``100MB``; a plain number is bytes."""
    match = _AMOUNT.fullmatch(value)
    if match is None or match[2] not in _BYTES:
        raise ValueError(f"'{value}' is not a size: write it like 512MiB, 22GiB or 100MB")
    return int(float(match[1]) * _BYTES[match[2]])


def rate(value: str) -> Window:
    """So many a while: ``120/min``, ``50k/hour``, ``1.5M/day``."""
    match = _RATE.fullmatch(value)
    if match is None or match[2] not in _MANY or match[3] not in _WINDOWS:
        close = did_you_mean(match[3], _WINDOWS) if match and match[2] in _MANY else ""
        raise ValueError(f"'{value}' is not a rate{close}: write it like 10/s, 120/min, 50k/hour or 1M/day")
    amount = Fraction(match[1]) * _MANY[match[2]]
    if not amount:
        raise ValueError(f"'{value}' lets nothing through: give at least 1/{match[3]}, or remove the key")
    if amount.denominator > 1:
        raise ValueError(f"'{value}' is not a whole number: count over a longer time, such as 30/hour for 0.5/min")
    return Window(int(amount), _WINDOWS[match[3]])


def secret(value: str) -> str:
    """A key that a client sends in a header. What is wrong with it is told without showing it."""
    if not LEAST_KEY <= len(value) <= MOST_KEY:
        raise ValueError(f"has {len(value)} characters, not {LEAST_KEY} to {MOST_KEY}: `swapd key` makes one")
    if " " in value or not value.isprintable():  # no other space is printable
        raise ValueError("holds a blank or a control character: `swapd key` makes a good one")
    return value


def sized(amount: int) -> str:
    """Bytes in words that ``size`` reads: ``22GiB``, ``1.5KiB``."""
    power = min((max(amount, 1).bit_length() - 1) // 10, len(_POWERS) - 1)
    return f"{amount / 1024**power:.5g}{_POWERS[power]}"


def memory(example: str, zero: bool = False) -> Callable[[str], int]:
    """A reader of memory in bytes. Without a unit it is refused: a bare 22 could mean anything but bytes.

    ``zero``: none at all is an amount too.
    """

    def read(value: str) -> int:
        told = value.endswith("B") or (zero and value == "0")
        amount = size(value) if told else 0
        if not amount and not (told and zero):
            raise ValueError(f"is memory: give it a size such as {example}, not '{value}'")
        return amount

    return read


def counter(value: str) -> int:
    """An amount of a plain counter."""
    if _WHOLE.fullmatch(value) and int(value) >= 0:
        return int(value)
    match = _AMOUNT.fullmatch(value)
    if match is not None and match[2] in _BYTES:
        advice = "write a whole number, or name memory such as ram or CUDA0"
        raise ValueError(f"'{value}' is a size, and this is a plain counter: {advice}")
    raise ValueError(f"'{value}' is not a count: write a whole number such as 1")


def whole(least: int | None = 0, most: int | None = None) -> Callable[[str], int]:
    """A reader of whole numbers that are at least ``least``, and at most ``most``."""

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value):
            long = f" (write it out: {int(value[:-1]) * 1024})" if _THOUSANDS.fullmatch(value) else ""
            raise ValueError(f"'{value}' is not a whole number{long}")
        if least is not None and int(value) < least:
            raise ValueError(f"{value} is too small: the least is {least}")
        if most is not None and int(value) > most:
            raise ValueError(f"{value} is too large: the most is {most}")
        return int(value)

    return read


def boolean(value: str) -> bool:
    """``true`` or ``false``; also yes, no, on and off, which older YAML calls the same."""
    if value.lower() not in _WORDS:
        raise ValueError(f"'{value}' is neither true nor false")
    return _WORDS[value.lower()]


def word(meaning: dict[str, T], otherwise: Callable[[str], T]) -> Callable[[str], T]:
    """A reader that knows some words, and leaves all else to ``otherwise``, naming the words if that fails."""
    names = " or ".join(meaning)

    def read(value: str) -> T:
        if value in meaning:
            return meaning[value]
        try:
            return otherwise(value)
        except ValueError as error:
            raise ValueError(f"{error}, or {names}{did_you_mean(value, meaning)}") from None

    return read


def choice(*options: str) -> Callable[[str], str]:
    """A reader of one of a few words."""

    def read(value: str) -> str:
        if value not in options:
            raise ValueError(f"'{value}' is not one of {', '.join(options)}{did_you_mean(value, options)}")
        return value

    return read


def natural(value: str) -> Any:
    """What an unquoted value is in YAML 1.2: None, bool, int, float, or the text itself."""
    match value:
        case "" | "~" | "null" | "Null" | "NULL":
            return None
        case "true" | "True" | "TRUE":
            return True
        case "false" | "False" | "FALSE":
            return False
    if _WHOLE.fullmatch(value):
        return int(value)
    if _DECIMAL.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    return int(value, 16) if _HEX.fullmatch(value) else value
