"""``swapd explain``: why a model is, or is not, up, and when those who wait are served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from swapd.cli.client import Admin, reading
from swapd.cli.console import Bit, Console, Table, stdout
from swapd.cli.status import COLOURS, amounts
from swapd.cli.target import Target, json_option, talks_to_daemon
from swapd.cli.words import age, seconds, several
from swapd.core.need import Source, is_memory

COLUMNS = ("PLACE", "CLIENT", "WAITED", "SERVED IN ABOUT")
NUMBERS = frozenset({"PLACE", "WAITED", "SERVED IN ABOUT"})


@click.command("explain")
@click.argument("model")
@talks_to_daemon
@json_option
def verb(target: Target, model: str, as_json: bool) -> None:
    """Say why MODEL is, or is not, up: what it waits for, what it needs, who waits, and until when."""
    found = Admin(target).explain(model)
    if as_json:
        stdout().json(found)
    else:
        with reading(target):
            show(stdout(), found)


def show(console: Console, found: dict[str, Any]) -> None:
    """The sentence, the facts behind it, and the queue."""
    state = found["state"]
    console.bits(Bit(found["model"], "bold"), Bit(" "), Bit(state, COLOURS.get(state, "")))
    console.bits(Bit(f"{found['model']} {found['text']}."), indent=2)
    for name, text in _facts(found):
        console.bits(Bit(f"{name}: ", "dim"), Bit(text), indent=2)
    if found["queue"]:
        console.line()
        console.table(Table(COLUMNS, [_row(waiter) for waiter in found["queue"]], NUMBERS))
        if (left := found["waiting"] - len(found["queue"])) > 0:
            console.line(f"and {several(left, 'request')} more", style="dim")


def _facts(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if found["wanted"]:
        yield "wanted", found["wanted"]
    if found["wanted"] and found["ready_in"]:
        yield "up", f"in about {age(max(1, found['ready_in']))}, as far as can be told"
    if found["missing"]:
        yield "missing", amounts(found["missing"])
    if needs := _needs(found):
        yield "needs", needs
    if found["measured"]:
        yield "measured", amounts(found["measured"])
    if found["load_seconds"] is not None:
        yield "last load", seconds(found["load_seconds"])
    if found["short"]:
        yield "short", found["short"]


def _needs(found: dict[str, Any]) -> str:
    """What it takes, and how that came to be known. The operator's own amounts are not told twice."""
    cost, detail = found["needs"], found["need_detail"]
    if found["need_source"] is None or (not cost and found["need_source"] != "unknown"):
        return amounts(cost)
    source = Source[found["need_source"].upper()]
    if source is Source.OPERATOR:
        return f"{amounts(cost)}, {source.value}"
    how = f"{source.value}: {detail}" if detail else source.value
    if source is Source.UNKNOWN:  # the amounts of memory are all there is, since it loads alone
        counters = amounts({name: amount for name, amount in cost.items() if not is_memory(name)})
        return f"{counters}, {how}" if counters else how
    return f"{amounts(cost)} ({how})"


def _row(waiter: dict[str, Any]) -> tuple[Bit, ...]:
    eta = "not known" if waiter["eta"] is None else age(waiter["eta"])
    return Bit(str(waiter["place"])), Bit(waiter["client"]), Bit(age(waiter["waited"])), Bit(eta)
