"""``swapd pin``."""

from __future__ import annotations

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import stdout
from swapd.cli.target import Target, talks_to_daemon


@click.command("pin")
@click.argument("model")
@talks_to_daemon
def verb(target: Target, model: str) -> None:
    """Load MODEL and keep it: it has no ttl, and makes room for no other.

    That holds until it is unpinned, until an edit of the config changes its `pinned`, or until swapd is stopped;
    `reload --exec` keeps it. To pin a model for good, say `pinned: true` in the config.
    """
    answer = Admin(target).pin(model)
    with reading(target):
        up = "" if answer["state"] == "ready" else f", and will be loaded (it is {answer['state']})"
        stdout().line(f"{answer['model']} is pinned{up}", style="green")
