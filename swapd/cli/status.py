"""``swapd status`` (``ps``): the daemon's models in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from swapd.cli.client import Admin, talk
from swapd.cli.console import Bit, Console, Table, stdout
from swapd.cli.target import Target, json_option, talks_to_daemon
from swapd.cli.words import age, age_of, quantity, size
from swapd.core.need import is_memory

COLUMNS = ("MODEL", "STATE", "PID", "PORT", "LEASES", "QUEUE", "SINCE", "IDLE", "MEMORY")
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
    """Show each model: its state, engine, requests, memory, and how it last failed; what waits, and for what.

    SINCE is the age of the state, IDLE the time without a request, MEMORY what is held of what is reckoned.
    """
    status = talk(target, Admin.status)
    if as_json:
        stdout().json(status)
    else:
        show(stdout(), status, datetime.now(UTC))


def show(console: Console, status: dict[str, Any], now: datetime) -> None:
    """The table, what is waited for, the machine, and what is wrong with the file."""
    if status["models"]:
        console.table(Table(COLUMNS, [_row(model, now) for model in status["models"]], NUMBERS))
    else:
        console.line("no models in the config", style="dim")
    console.line()
    for line in (*_notes(status["models"], now), *_footer(status)):
        console.bits(*line)


def _row(model: dict[str, Any], now: datetime) -> tuple[Bit, ...]:
    state = model["state"]
    return (
        Bit(model["name"], "bold"),
        Bit(state, COLOURS.get(state, "")),
        Bit(_text(model["pid"])),
        Bit((model["endpoint"] or "").rpartition(":")[2]),
        Bit(str(model["leases"]), "" if model["leases"] else "dim"),
        Bit(str(model["waiting"]), "yellow" if model["waiting"] else "dim"),
        Bit(age_of(model["since"], now) if model["since"] else ""),
        Bit(age(model["idle"]) if model["idle"] is not None else ""),
        _memory(model),
    )


def _memory(model: dict[str, Any]) -> Bit:
    """``0.9/1.2 GiB``: what its engine was seen to hold of all memory, and what is reckoned for it."""
    held, reckoned = _bytes(model["measured"]), _bytes(model["needs"])
    if not reckoned:
        return Bit(size(held) if held else "")
    (of, unit) = size(reckoned).split()
    part = f"{held / (1 << 30):.1f}" if unit == "GiB" else f"{held / (1 << 20):.0f}"
    return Bit(f"{part if held else '?'}/{of} {unit}", "" if held <= reckoned else "yellow")


def _bytes(cost: Mapping[str, int]) -> int:
    return sum(amount for name, amount in cost.items() if is_memory(name))


def amounts(cost: Mapping[str, int]) -> str:
    """``9.0 GiB of CUDA0, 1 of engines``."""
    return ", ".join(f"{quantity(amount)} of {name}" for name, amount in cost.items())


def _notes(models: list[dict[str, Any]], now: datetime) -> Iterator[tuple[Bit, ...]]:
    """What models wait for, which loaded less than was asked for, and how each failed last."""
    for model in models:
        if (waits := model["waiting_for"]) is not None:
            etas = [waiter["eta"] for waiter in model["queue"] if waiter["eta"] is not None]
            when = f" (first served in about {age(max(1, min(etas)))})" if etas else ""
            yield Bit(model["name"], "bold"), Bit(f" {waits['text']}{when}", "yellow")
        if model["short"]:
            yield Bit("SHORT ", "bold yellow"), Bit(model["name"], "bold"), Bit(f": {model['short']}", "yellow")
        if model["last_failure"]:
            style = "red" if model["state"] in ("backoff", "failed") else "dim"
            yield Bit(model["name"], "bold"), Bit(f" failed {_failure(model['last_failure'], now)}", style)


def _failure(failure: dict[str, Any], now: datetime) -> str:
    reason = failure["reason"].partition("\n")[0]
    hint = f" ({failure['hint']})" if failure.get("hint") else ""
    return f"{age_of(failure['at'], now)} ago: {reason}{hint}"


def _footer(status: dict[str, Any]) -> Iterator[tuple[Bit, ...]]:
    for name, memory in status["machine"].items():
        yield Bit("memory: ", "dim"), Bit(f"{name} "), *_resource(memory)
    for name, amount in status["budget"].items():
        if name not in status["machine"]:
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


def _resource(memory: dict[str, Any]) -> Iterator[Bit]:
    """``9.0 GiB of 22.0 GiB used, 12.1 GiB free, 1.2 GiB held by others``; what nobody budgets is only free."""
    if memory["lost"]:
        yield Bit("is gone: its device does not answer any more", "red")
        return
    if memory["budget"] is not None:
        full = memory["used"] >= memory["budget"]
        yield Bit(f"{size(memory['used'])} of {size(memory['budget'])} used, ", "yellow" if full else "")
    if memory["free"] is not None:
        yield Bit(f"{size(memory['free'])} free, ")
        yield Bit(f"{size(memory['strangers'])} held by others", "" if memory["strangers"] else "dim")
    else:
        yield Bit("not read yet", "dim")


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
