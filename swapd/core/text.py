"""Text from outside, made harmless to whoever reads it: a terminal, or a log that is read by line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

_SECRET = re.compile(r"([\w-]*[-_])?(key|token|password|secret|hft)", re.IGNORECASE)
"""The names of flags and variables before a secret: ``--api-key``, ``HF_TOKEN``, the short form ``-hft``."""
_BORNE = re.compile(
    r"""(?P<before>://(?:[^/\s:@"']*:)?)[^/\s"']+(?=@)"""
    r"""|(?P<name>(?<![\w-])(?:bearer|authorization:|[\w-]*[-_](?:key|token|secret|password):?)[ \t=]+)"""
    r"""(?:(?:bearer|basic)[ \t]+)?[^\s"']+""",
    re.IGNORECASE,
)
"""Secrets within a word: of an address, of a header."""
# Controls (but newline and tab) with DEL; direction and zero width marks, line separators; lone surrogates.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text with all that drives a terminal, or cannot be seen, spelt out: ``\x1b``, ``\u009b``, ``\u202e``.

    Newlines and tabs stay. All but the C0 controls are spelt as JSON does, and those never stand bare in JSON: a
    JSON text remains one, of the same value.
    """
    return _CONTROLS.sub(lambda found: _spelt(found[0]), text)


def one_line(text: str) -> str:
    """The text with every character that is not printable spelt out, newlines and tabs too."""
    return "".join(each if each.isprintable() else _spelt(each) for each in text)


def without_secrets(argv: Sequence[str], key: str = "") -> list[str]:
    """The words of a command as they may be shown, without what looks like a secret, and without the ``key``."""
    words = [word.replace(key, "HIDDEN") for word in argv] if key else argv
    pairs = pairwise(("", *words))
    return ["HIDDEN" if before.startswith("-") and _is_secret(before) else _hidden(word) for before, word in pairs]


def _hidden(word: str) -> str:
    """``--flag=value`` or ``NAME=value`` without the value of one that is secret."""
    name, equals, _ = word.partition("=")
    return f"{name}=HIDDEN" if equals and _is_secret(name) else _BORNE.sub(_emptied, word)


def _emptied(found: re.Match[str]) -> str:
    return f"{found['before'] or found['name']}HIDDEN"


def _is_secret(name: str) -> bool:
    return _SECRET.fullmatch(name.removeprefix("-").removeprefix("-")) is not None


def _spelt(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
