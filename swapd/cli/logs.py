"""``swapd logs``."""

from __future__ import annotations

import click

from swapd.cli.client import Admin
from swapd.cli.console import stdout
from swapd.cli.target import Target, talks_to_daemon


@click.command("logs")
@click.argument("model")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=200, show_default=True, help="Old lines shown.")
@talks_to_daemon
def verb(target: Target, model: str, follow: bool, lines: int) -> None:
    """Print the last lines that MODEL's engines wrote."""
    for text in Admin(target).logs(model, lines, follow=follow):
        stdout().text(text)
