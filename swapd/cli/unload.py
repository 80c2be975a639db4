"""``swapd unload``."""

from __future__ import annotations

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import stderr, stdout
from swapd.cli.target import Target, talks_to_daemon


@click.command("unload")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Unload every model.")
@click.option("--now", is_flag=True, help="Cut the requests that it serves, and wait for none.")
@talks_to_daemon
def verb(target: Target, model: str | None, everything: bool, now: bool) -> None:
    """Let MODEL finish its requests, for as long as its `drain` says; stop its engine, and wait until it is gone.

    The next request for it loads it again.
    """
    if (model is None) == (not everything):
        raise click.UsageError("give a MODEL, or --all")
    with stderr().busy(f"unloading {model or 'every model'}"):
        admin = Admin(target)
        answer = admin.unload_all(now=now) if model is None else admin.unload(model, now=now)
    with reading(target):
        stdout().line(f"{answer['model'] if model else 'every model'} is {answer['state']}")
