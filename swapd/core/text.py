"""Text from outside, made harmless to whoever reads it: a terminal, or a log that is read by line."""

from __future__ import annotations

import re

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


def _spelt(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
