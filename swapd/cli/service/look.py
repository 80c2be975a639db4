"""What ``swapd service status`` tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from swapd.cli.failure import Failed
from swapd.cli.service import files
from swapd.cli.service.systemd import Systemd, find_program

_SCORE = re.compile(r"exposure level[^:]*: (\d+\.\d+)")
_LISTENS = re.compile(r"^ListenStream=(.+)$", re.MULTILINE)


def looked(place: files.Place, systemd: Systemd) -> dict[str, Any]:
    """``files``: path -> its state; then what systemd says. What is not known is None or empty."""
    told = {str(path): state for path, state in states(place).items()} or {str(place.service): "missing"}
    found: dict[str, Any] = {"files": told}
    if not Path("/run/systemd/system").is_dir():
        return found | {"active": "systemd does not run here"}
    for name, key in (
        ("UnitFileState", "enabled"),
        ("ActiveState", "active"),
        ("ActiveEnterTimestamp", "since"),
        ("MainPID", "pid"),
        ("StatusText", "status"),
        ("NRestarts", "restarts"),
    ):
        found[key] = systemd.show(name) or None
    found["pid"] = int(found["pid"] or 0) or None
    found["exposure"] = None if place.user or found["enabled"] is None else _exposure(systemd)
    return found


def states(place: files.Place) -> dict[Path, str]:
    """Of the files that are there, and those that would be written with the same options today."""
    unit = _text(place.service)
    if unit is None:
        return {path: files.state_of(path, None) for path in place.all_files() if path.exists()}
    gpus = tuple(vendor for vendor in files.VENDORS if place.drop_in(vendor).exists())
    listen = tuple(_LISTENS.findall(_text(place.socket) or ""))
    config = files.config_of(unit) or Path(place.config)
    texts = files.texts(place, files.Wanted(find_program(), config, gpus, listen))
    return {path: files.state_of(path, text) for path, text in texts.items()}


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _exposure(systemd: Systemd) -> float | None:
    """systemd-analyze security: 0 is closed, 10 is open."""
    try:
        answer = systemd.ask("systemd-analyze", "security", "--no-pager", "swapd.service")
    except Failed:
        return None
    found = _SCORE.search(answer.out)
    return float(found[1]) if found else None
