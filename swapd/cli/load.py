"""``swapd load``."""

from __future__ import annotations

import time

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import stderr, stdout
from swapd.cli.target import Target, talks_to_daemon
from swapd.cli.words import seconds


@click.command("load")
@click.argument("model")
@click.option("--no-wait", is_flag=True, help="Come back at once, not when the model is ready.")
@talks_to_daemon
def verb(target: Target, model: str, no_wait: bool) -> None:
    """Bring MODEL up, whatever failed before, and wait until it is ready."""
    began = time.monotonic()
    with stderr().busy(f"loading {model}"):
        answer = Admin(target).load(model, wait=not no_wait)
    with reading(target):
        outcome = f"{answer['model']} is {answer['state']}"
    if no_wait:
        stdout().line(outcome)
    else:
        stdout().line(f"{outcome} after {seconds(time.monotonic() - began)}", style="green")
