"""The characters that pictures are made of: as fine as the locale allows, or plain ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of them, each one cell wide."""

    bar: str
    """Three: held by our engines, held by others, free."""
    limit: str
    """Where the budget ends within a bar."""
    rule: str
    cut: str
    """What stands for the rest of a text."""
    chosen: str
    pin: str
    dots: tuple[str, str, str]
    """Ready, on its way, not up."""


FINE = Glyphs("█▓░", "│", "─", "…", "▶", "◆", ("●", "◐", "○"))
PLAIN = Glyphs("#%.", "|", "-", "~", ">", "*", ("*", "+", "-"))


def fits(encoding: str, environ: Mapping[str, str]) -> bool:
    """Whether the terminal shows more than ASCII: by what Python writes to it, and by the locale that is named.

    Python makes UTF-8 of the locale ``C`` (PEP 538), but where LC_ALL says so it is meant (PEP 540). The fonts of
    the Linux console, of 256 or 512 characters, have no half circle.
    """
    if environ.get("TERM") == "linux":
        return False
    named = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "")
    plain = named.upper().replace("-", "")
    meant = "UTF8" in plain or not named or (not environ.get("LC_ALL") and named in ("C", "POSIX"))
    return encoding.lower().replace("-", "") == "utf8" and meant
