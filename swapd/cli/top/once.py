"""A single picture, for a pipe or a terminal that cannot do more."""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime

from swapd.cli.client import Admin, reading
from swapd.cli.console import Bit, stdout
from swapd.cli.target import Target
from swapd.cli.top.frame import Look, Scene, snapshot
from swapd.cli.top.glyphs import FINE, PLAIN, fits
from swapd.cli.top.screen import Screen, Size


def show(target: Target, columns: int, *, colour: bool, plain: bool) -> None:
    """Ask, and print. Raises Failed."""
    status = Admin(target).status()
    glyphs = PLAIN if plain or not fits(sys.stdout.encoding, os.environ) else FINE
    look = Look(target.url, moment := time.monotonic(), datetime.now().astimezone(), glyphs)
    with reading(target):
        scene = Scene(screen=Screen(size=Size(columns, 0)))
        scene.mirror.show(status, datetime.now(UTC), moment)
        rows = snapshot(scene, look)
    console = stdout()
    for row in rows:
        if console.terminal and colour:
            console.bits(*row)
        else:
            console.bits(Bit("".join(bit.text for bit in row).rstrip()))
