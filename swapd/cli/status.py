"""``swapd status`` (``ps``): the daemon's models in a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from swapd.cli.client import Admin, talk
from swapd.cli.console import Bit, Console, Table, stdout
from swapd.cli.target import Target, json_option, talks_to_daemon
from swapd.cli.words import age, age_of, quantity, size

COLUMNS = ("MODEL", "STATE", "PID", "PORT", "LEASES", "QUEUE", "SINCE", "IDLE", "MEMORY", "LAST FAILURE")
NUMBERS = frozenset({"PID", "PORT", "LEASES", "QUEUE", "MEMORY"})
COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "draining": "cyan",
    "saving": "cyan",
    "stopping": "cyan",
    "killing": "red",
    "backoff": "yellow",
    "failed": "bold red",
    "cold": "dim",
}


@click.command("status")
@talks_to_daemon
@json_option
def verb(target: Target, as_json: bool) -> None:
    """Show each model: its state, engine, requests, memory, and how it last failed.

    SINCE is the age of the state, IDLE the time without a request.
    """
    status = talk(target, Admin.status)
    if as_json:
        stdout().json(status)
    else:
        show(stdout(), status, datetime.now(UTC))


def show(console: Console, status: dict[str, Any], now: datetime) -> None:
    """The table, the budget, and what is wrong with the file."""
    if status["models"]:
        console.table(Table(COLUMNS, [_row(model, now) for model in status["models"]], NUMBERS))
    else:
        console.line("no models in the config", style="dim")
    console.line()
    for line in _footer(status):
        console.bits(*line)


def _row(model: dict[str, Any], now: datetime) -> tuple[Bit, ...]:
    state, failure = model["state"], model["last_failure"]
    memory = sum(model["measured"].values())
    return (
        Bit(model["name"], "bold"),
        Bit(state, COLOURS.get(state, "")),
        Bit(_text(model["pid"])),
        Bit((model["endpoint"] or "").rpartition(":")[2]),
        Bit(str(model["leases"]), "" if model["leases"] else "dim"),
        Bit(str(model["waiting"]), "yellow" if model["waiting"] else "dim"),
        Bit(age_of(model["since"], now) if model["since"] else ""),
        Bit(age(model["idle"]) if model["idle"] is not None else ""),
        Bit(size(memory) if memory else ""),
        Bit(_failure(failure, now) if failure else "", "red" if state in ("backoff", "failed") else "dim"),
    )


def _failure(failure: dict[str, Any], now: datetime) -> str:
    reason = failure["reason"].partition("\n")[0]
    hint = f" ({failure['hint']})" if failure.get("hint") else ""
    return f"{age_of(failure['at'], now)} ago: {reason}{hint}"


def _footer(status: dict[str, Any]) -> Iterator[tuple[Bit, ...]]:
    for name, amount in status["budget"].items():
        full = amount["used"] >= amount["total"]
        used = Bit(f"{quantity(amount['used'])} of {quantity(amount['total'])}", "yellow" if full else "")
        yield Bit("budget: ", "dim"), Bit(f"{name} "), used
    if status["problems"]:
        yield (Bit(f"the config has problems; generation {status['generation']} stays in force:", "bold red"),)
    for problem in status["problems"]:
        place = f"{problem['file']}:{problem['line']}:{problem['column']}:"
        key = f" {problem['key']}:" if problem["key"] else ""
        yield Bit(place, "bold"), Bit(f"{key} {problem['message']}")
    yield (Bit(f"swapd {status['version']}, config generation {status['generation']}", "dim"),)


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
