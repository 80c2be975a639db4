"""``swapd reload``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import Bit, Console, stdout
from swapd.cli.failure import Failed
from swapd.cli.target import Target, json_option, talks_to_daemon

LONGEST, AGAIN = 180.0, 0.1
"""Seconds that requests under way may hold up the execution, and between two looks whether it is done."""
WORDS = {
    "added": ("added", "green"),
    "removed": ("removed", "red"),
    "relaunched": ("new launch, restarts", "yellow"),
    "retuned": ("changed while it runs", "green"),
    "settings": ("settings changed", "green"),
    "needs_restart": ("takes effect when swapd is restarted (--exec does not do)", "yellow"),
    "needs_exec": ("takes effect with `swapd reload --exec`, or a restart", "yellow"),
}


@click.command("reload")
@talks_to_daemon
@json_option
@click.option(
    "--exec", "execute", is_flag=True, help="Execute swapd itself anew: after an upgrade of its package."
)
def verb(target: Target, as_json: bool, execute: bool) -> None:
    """Let the daemon read its config again, and say what changed.

    A config with problems changes nothing: they are printed, and the exit code is 1.

    With --exec the daemon becomes the swapd that is installed now: same process, same engines, no request lost.
    Requests that run longer than their model's `drain` are cut.
    """
    if execute:
        upgrade(target, as_json)
        return
    outcome = Admin(target).reload()
    if as_json:
        stdout().json(outcome)
    elif "problems" not in outcome:
        with reading(target):
            show(stdout(), outcome)
    if "problems" in outcome:
        with reading(target):
            problems = list(_told(outcome))
        raise Failed("\n".join(["cannot reload: the config has problems, nothing was changed", *problems]))


def upgrade(target: Target, as_json: bool) -> None:
    """Return when the daemon has executed itself anew. Raises Failed."""
    admin = Admin(target)
    before, since = admin.upgrade(), time.monotonic()
    while (status := admin.status()).get("execs", 0) <= before:
        if time.monotonic() - since > LONGEST:
            raise Failed("cannot tell that swapd was executed anew: it still says no; see its log")
        time.sleep(AGAIN)
    if as_json:
        stdout().json({"execs": status["execs"], "version": status.get("version")})
        return
    with reading(target):
        kept = sum(model["pid"] is not None for model in status["models"])
        took = f"{time.monotonic() - since:.1f} s after it was found fit"
        stdout().line(f"swapd {status['version']} took over, {took}; {kept} engine{'s' * (kept != 1)} kept")


def show(console: Console, outcome: dict[str, Any]) -> None:
    """A line for each kind of change."""
    from swapd.config.changes import EXECUTED  # noqa: PLC0415  (who says --exec need not wait for that room)

    changes = {kind: outcome.get(kind, []) for kind in WORDS}
    waiting = changes["needs_restart"]
    changes["needs_restart"] = [key for key in waiting if key not in EXECUTED]
    changes["needs_exec"] = [key for key in waiting if key in EXECUTED]
    if not any(changes.values()):
        console.line(f"nothing changed (generation {outcome['generation']})")
        return
    console.line(f"generation {outcome['generation']}", style="bold")
    for kind, names in changes.items():
        if names:
            words, colour = WORDS[kind]
            console.bits(Bit(f"{words}: ", colour), Bit(", ".join(names)), indent=2)


def _told(outcome: dict[str, Any]) -> Iterator[str]:
    for problem in outcome["problems"]:
        key = f" {problem['key']}:" if problem["key"] else ""
        yield f"{problem['file']}:{problem['line']}:{problem['column']}:{key} {problem['message']}"
