"""Functions of a shell script: where their bodies end, and what they are called with.

Forms as POSIX ("Function Definition Command") and bash have them, with a body in braces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"([A-Za-z_][\w.-]*)"
_HEAD = re.compile(rf"(?:function[ \t]+)?{_NAME}[ \t]*\([ \t]*\)\s*\{{(?=\s)|function[ \t]+{_NAME}\s*\{{(?=\s)")
_PIECE = re.compile(
    r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|\$\{[^}]*\}|(?<!\S)\#[^\n]*|(?<![^\s;&|)])\{(?=\s)|(?<![^\s;&|])\}""",
    re.DOTALL,
)
"""What may hold a brace that closes nothing, and the braces that group."""
MOST_CALLS = 200


@dataclass(slots=True)
class Function:
    """One of them. ``line``: where its body begins, counted from 0."""

    body: str
    line: int
    calls: int = 0


def defined(text: str, at: int) -> tuple[str, str, int] | None:
    """A definition that stands at ``at``: its name, its body, and the character behind it.

    That is 0 where the body has no end; None where there is no definition.
    """
    head = _HEAD.match(text, at)
    if head is None:
        return None
    depth = 1
    for piece in _PIECE.finditer(text, head.end()):
        depth += {"{": 1, "}": -1}.get(piece[0], 0)
        if not depth:
            return head[1] or head[2], text[head.end() : piece.start()], piece.end()
    return head[1] or head[2], "", 0
