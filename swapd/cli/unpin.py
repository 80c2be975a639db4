"""``swapd unpin``."""

from __future__ import annotations

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import stdout
from swapd.cli.target import Target, talks_to_daemon


@click.command("unpin")
@click.argument("model")
@talks_to_daemon
def verb(target: Target, model: str) -> None:
    """Let MODEL go when its ttl is over, or when others need its room; also one that the config pins.

    That holds until it is pinned again, until an edit of the config changes its `pinned`, or until swapd is
    stopped; `reload --exec` keeps it. It is not unloaded by this.
    """
    answer = Admin(target).pin(model, pinned=False)
    with reading(target):
        stdout().line(f"{answer['model']} is not pinned any more (it is {answer['state']})")
