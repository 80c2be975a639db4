"""Words of a command line, and how they are written into a config.

A word may hold the references of a config: ``${port}``, ``${model}``, ``${env.X}``, ``${macro}``. Text that only
looks like one is written ``$${...}``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable

from swapd.importers import windows

Meaning = Callable[[str], str]
"""A word with its references filled in, as far as they are known here."""

_BARE = re.compile(r"(?:[A-Za-z0-9_@%+=:,./-]|\$\{[A-Za-z_][\w.-]*\})+", re.ASCII)


def itself(word: str) -> str:
    """The meaning of a word without references."""
    return word


def literal(text: str) -> str:
    """Text that holds no references, as a config's value."""
    return text.replace("${", "$${")


def joined(words: Iterable[str]) -> str:
    """A command line that splits into the words again."""
    return " ".join(word if _BARE.fullmatch(word) else shlex.quote(word) for word in words)


def split(text: str) -> list[str]:
    """The words of a command line: ``#`` lines are comments, a backslash at an end goes on. Raises ValueError."""
    text = windows.posix(text) if windows.is_windows(text) else text
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = "\n".join(line.rstrip() for line in lines).replace("\\\n", " ")
    try:
        return shlex.split(whole)
    except ValueError as error:
        raise ValueError(f"it cannot be split into words: {str(error).lower()}") from None
