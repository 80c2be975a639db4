"""The verb: the live picture on a terminal, a single one everywhere else."""

from __future__ import annotations

import os
import shutil
import sys

import click

from swapd.cli.target import Target, talks_to_daemon

WIDTH = 120
"""Columns where nobody says how many there are."""


@click.command("top")
@click.option("--once", is_flag=True, help="Print one picture and end, as happens where there is no terminal.")
@click.option("--no-color", is_flag=True, help="Without colours; also by $NO_COLOR.")
@click.option("--ascii", "plain", is_flag=True, help="With plain characters, as where the locale is not UTF-8.")
@talks_to_daemon
@click.pass_context
def verb(context: click.Context, target: Target, once: bool, no_color: bool, plain: bool) -> None:
    """Show the daemon live: memory, models, what waits and what happens; load, unload, pin, read logs by keys.

    `?` says which keys there are, `q` quits.
    """
    colour = not no_color and not os.environ.get("NO_COLOR")
    if once or not _is_screen():
        _print_once(target, colour, plain)
        return
    import asyncio  # noqa: PLC0415  (one who asks for --help need not wait for it)

    from swapd.cli.top.glyphs import FINE, PLAIN, fits  # noqa: PLC0415
    from swapd.cli.top.run import watch  # noqa: PLC0415
    from swapd.cli.top.terminal import Ink  # noqa: PLC0415

    encoding = sys.stdout.encoding
    glyphs = PLAIN if plain or not fits(encoding, os.environ) else FINE
    context.exit(asyncio.run(watch(target, Ink(colour, encoding), glyphs)))


def _is_screen() -> bool:
    """Whether somebody looks, and can press keys."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _print_once(target: Target, colour: bool, plain: bool) -> None:
    from swapd.cli.top.once import show  # noqa: PLC0415

    columns = shutil.get_terminal_size((WIDTH, 24)).columns
    show(target, columns, colour=colour, plain=plain)
