"""Paths in a model's keys that may lead elsewhere than they did: relative ones, and those of Windows."""

from __future__ import annotations

import shlex

from swapd.importers import windows
from swapd.importers.quoting import Meaning
from swapd.importers.sheet import Sheet

PATHS = ("path", "mmproj", "draft")
"""Keys that name files of a model."""
MOST_TOLD = 20


def tell_relative(sheet: Sheet, meaning: Meaning) -> None:
    """Files of a model that is described in keys."""
    for key in (*PATHS, "binary"):
        path = meaning(str(sheet.keys.get(key, "/")))
        if not windows.paths(path) and not path.startswith(("/", "~", "${")) and (key in PATHS or "/" in path):
            sheet.notes[key] = "relative to this file now, not to where the server was started"


def tell_windows(sheet: Sheet, meaning: Meaning) -> None:
    """Paths that lead nowhere here."""
    values = [_split(value) if key == "command" else value for key, value in sheet.keys.items()]
    flat = [
        each for v in values for each in (v.values() if isinstance(v, dict) else v if isinstance(v, list) else [v])
    ]
    words = [meaning(each) for each in flat if isinstance(each, str)]
    for path in list(dict.fromkeys(path for word in words for path in windows.paths(word)))[:MOST_TOLD]:
        sheet.remark(f"{path}: a path of Windows: write where that is on this machine")


def tell_program(sheet: Sheet) -> None:
    """A program by a path from a folder that nobody named."""
    program = str(sheet.keys.get("command", "")).partition(" ")[0]
    if "/" in program and not program.startswith(("/", "~", "${", "'")) and "cwd" not in sheet.keys:
        sheet.remark(f"{program}: write its full path, or say 'cwd': swapd runs in another folder")


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
