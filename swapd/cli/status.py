"""``swapd status`` (``ps``): the daemon's models in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import Bit, Console, Table, stdout
from swapd.cli.target import Target, json_option, talks_to_daemon
from swapd.cli.words import age, age_of
from swapd.core.need import RAM, Source, is_memory, told

LOOPBACK = "127.0.0.1"
"""Where the engines listen that swapd starts."""
REMOTE = "remote"
"""How a model is shown that somebody else serves, while nobody asks for it: nobody here knows whether it is up."""
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

    SINCE is the age of the state, IDLE the time without a request, MEMORY what is held of what is reckoned: of the
    GPU that the model takes most of, or of RAM where it takes none.
    """
    status = Admin(target).status()
    if as_json:
        stdout().json(status)
    else:
        with reading(target):
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
    state, url = model["state"], model.get("url")
    shown = REMOTE if url and state == "cold" else state
    return (
        Bit(model["name"], "bold"),
        Bit(shown, COLOURS.get(state, "")),
        Bit(_text(model["pid"])),
        Bit(_port(model["endpoint"] or url or "")),
        Bit(str(model["leases"]), "" if model["leases"] else "dim"),
        Bit(str(model["waiting"]), "yellow" if model["waiting"] else "dim"),
        Bit(age_of(model["since"], now) if model["since"] else ""),
        Bit(age(model["idle"]) if model["idle"] is not None else ""),
        memory(model),
    )


def _port(endpoint: str) -> str:
    """Where it answers, in a word: the port here, or the other host. The whole of it is in the JSON."""
    if endpoint.startswith(("/", "unix:")):
        return "unix"
    where = endpoint.partition("://")[2].partition("/")[0]
    host, _, port = where.rpartition(":")
    return port if host == LOOPBACK else where


def memory(model: dict[str, Any]) -> Bit:
    """``900/1200 MiB``: what its engine was seen to hold, and what is reckoned for it.

    ``-`` stands for what no meter tells, ``?`` for a need that is not known yet.
    """
    name = _largest(model["measured"] if _is_unknown(model) else {**model["measured"], **model["needs"]})
    held, reckoned = model["measured"].get(name, 0), model["needs"].get(name, 0)
    if _is_unknown(model):
        return Bit(f"{told(name, held)}/?" if held else "?")
    if not reckoned:
        return Bit(told(name, held) if held else "")
    (of, unit) = told(name, reckoned).split()
    part = f"{held / (1 << 30):.1f}" if unit == "GiB" else f"{held / (1 << 20):.0f}"
    return Bit(f"{part if held else '-'}/{of} {unit}", "" if held <= reckoned else "yellow")


def _is_unknown(model: dict[str, Any]) -> bool:
    """Whether nobody can tell yet what it takes: what is reckoned for it then is all there is."""
    return bool(model["need_source"] == Source.UNKNOWN.name.lower())


def _largest(cost: Mapping[str, int]) -> str:
    """The GPU that it takes most of; RAM where it takes none."""
    gpus = [name for name, amount in cost.items() if is_memory(name) and name != RAM and amount]
    return max(gpus, key=lambda name: cost[name], default=RAM)


def amounts(cost: Mapping[str, int]) -> str:
    """``12.0 GiB of CUDA0, 1 of engines``."""
    return ", ".join(f"{told(name, amount)} of {name}" for name, amount in cost.items())


def _notes(models: list[dict[str, Any]], now: datetime) -> Iterator[tuple[Bit, ...]]:
    """What ``?`` means; what models wait for, which load less than was asked for, or never, and failures."""
    if any(_is_unknown(model) for model in models):
        yield (Bit("? not known yet: loads alone", "dim"),)
    for model in models:
        if model["never_fits"]:
            yield Bit(model["name"], "bold"), Bit(f" can never be loaded: {model['never_fits']}", "red")
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
        yield Bit("memory: ", "dim"), Bit(f"{name} "), *_resource(name, memory)
    for name, amount in status["budget"].items():
        if name not in status["machine"]:
            full = amount["used"] >= amount["total"]
            used = Bit(f"{told(name, amount['used'])} of {told(name, amount['total'])}", "yellow" if full else "")
            yield Bit("budget: ", "dim"), Bit(f"{name} "), used
    for pool in status.get("pools", ()):
        yield Bit("pool: ", "dim"), Bit(pool["name"], "bold"), Bit(f" {_choice(pool)}")
    if status["problems"]:
        yield (Bit(f"the config has problems; generation {status['generation']} stays in force:", "bold red"),)
    for problem in status["problems"]:
        place = f"{problem['file']}:{problem['line']}:{problem['column']}:"
        key = f" {problem['key']}:" if problem["key"] else ""
        yield Bit(place, "bold"), Bit(f"{key} {problem['message']}")
    execs = status.get("execs", 0)
    anew = f", executed anew {execs} time{'s' * (execs != 1)}" if execs else ""
    yield (Bit(f"swapd {status['version']}, config generation {status['generation']}{anew}", "dim"),)


def _choice(pool: dict[str, Any]) -> str:
    """``warm of qwen, gemma``."""
    return f"{pool['choose']} of {', '.join(pool['models'])}"


def _resource(name: str, memory: dict[str, Any]) -> Iterator[Bit]:
    """``9216 MiB of 22.0 GiB used, 12.1 GiB free, 1200 MiB held by others``; what nobody budgets is only free."""
    if memory["lost"]:
        yield Bit("is gone: its device does not answer any more", "red")
        return
    if memory["budget"] is not None:
        full = memory["used"] >= memory["budget"]
        yield Bit(
            f"{told(name, memory['used'])} of {told(name, memory['budget'])} used, ", "yellow" if full else ""
        )
    if memory["free"] is not None:
        yield Bit(f"{told(name, memory['free'])} free, ")
        yield Bit(f"{told(name, memory['strangers'])} held by others", "" if memory["strangers"] else "dim")
    else:
        yield Bit("not read yet", "dim")


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
