"""Where the config is, if nobody says so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class ConfigNotFound(Exception):
    """There is no config at any of the usual places; the text names them, and what to do next."""


def find_config(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The path given by ``--config`` or ``SWAPD_CONFIG``, whether it exists or not; else the first that exists.

    Raises ConfigNotFound.
    """
    if named := explicit or environ.get("SWAPD_CONFIG"):
        return cwd / Path(named).expanduser()
    home = Path(environ.get("HOME") or Path.home())
    places = [cwd / "swapd.yaml", home / ".config/swapd/swapd.yaml", Path("/etc/swapd/swapd.yaml")]
    for place in places:
        if os.path.exists(place):  # noqa: PTH110  (where pathlib raises for a folder we may not enter)
            return place
    looked = ", ".join(str(place) for place in places)
    advice = "write one of them, or name yours with --config or SWAPD_CONFIG"
    raise ConfigNotFound(f"cannot find a config: looked for {looked}; {advice}")
