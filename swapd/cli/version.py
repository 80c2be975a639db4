"""``swapd version``."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import click

from swapd import __version__
from swapd.cli.console import Bit, stdout
from swapd.cli.target import json_option
from swapd.engines.binaries import HOW_TO_GET_ONE, find_binary


@click.command("version")
@json_option
def verb(as_json: bool) -> None:
    """Print versions, and the engine that `binary: auto` finds."""
    engine = find_binary(os.environ)
    facts = {
        "swapd": __version__,
        "python": platform.python_version(),
        "aiohttp": version("aiohttp"),
        "engine": engine,
    }
    if as_json:
        stdout().json(facts)
        return
    for name, fact in facts.items():
        stdout().bits(Bit(f"{name:<9}", "dim"), Bit(fact or f"none: {HOW_TO_GET_ONE}"))
