"""``swapd events``: what happens and is decided, a line each."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import Bit, Console, stdout
from swapd.cli.target import Target, talks_to_daemon

COLOURS = {
    "ready": "green",
    "start": "yellow",
    "adopt": "yellow",
    "swap": "bold cyan",
    "drain": "cyan",
    "stop": "cyan",
    "failed": "bold red",
    "kill": "red",
    "cut": "red",
    "refuse": "red",
    "short": "yellow",
    "unseen": "yellow",
    "lost": "yellow",
}
WIDTH = len("weighed")


@click.command("events")
@click.option("--follow/--no-follow", default=True, help="Go on with new events until Ctrl-C.  [default: follow]")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True, help="Old events shown.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as one line of JSON.")
@talks_to_daemon
def verb(target: Target, follow: bool, lines: int, as_json: bool) -> None:
    """Show what happens and is decided: loads, swaps and what they cost, refusals, and why."""
    console = stdout()
    for event in Admin(target).events(lines, follow=follow):
        if as_json:
            console.text(json.dumps(event, ensure_ascii=False) + "\n")
        else:
            with reading(target):
                tell(console, event)


def tell(console: Console, event: dict[str, Any]) -> None:
    """One event, its time in the zone of whoever looks."""
    at = datetime.fromisoformat(event["at"]).astimezone().strftime("%H:%M:%S") if event.get("at") else " " * 8
    kind = Bit(event["type"].ljust(WIDTH), COLOURS.get(event["type"], ""))
    console.bits(Bit(f"{at}  ", "dim"), kind, Bit(f"  {event['text']}", "dim" if event["type"] == "grant" else ""))
