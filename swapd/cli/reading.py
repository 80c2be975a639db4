"""The config that a verb is about."""

from __future__ import annotations

import os
from pathlib import Path

from swapd.cli.failure import BadConfig
from swapd.config import ConfigNotFound, Loaded, find_config, load
from swapd.engines.binaries import find_binary
from swapd.lasting import lasting


def read(config: str | None) -> tuple[Path, Loaded]:
    """Find and load the config. Raises BadConfig if there is none."""
    try:
        path = find_config(config, os.environ, Path.cwd())
    except ConfigNotFound as error:
        raise BadConfig(str(error)) from None
    with lasting():
        return path, load(path, os.environ, lambda: find_binary(os.environ))
