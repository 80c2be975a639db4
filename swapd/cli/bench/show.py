"""What ``swapd bench`` shows: progress while it runs, then the figures, from the JSON alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from swapd.cli.console import Bit, Console, Line, Table, spin
from swapd.cli.words import age, several
from swapd.loadtest.course import Course
from swapd.loadtest.result import plan
from swapd.loadtest.samples import FIGURES
from swapd.loadtest.scale import milliseconds, rate
from swapd.loadtest.swaps import Swaps
from swapd.loadtest.tally import NAMES

WIDEST = 40
"""Characters of a model's name."""
TOO_FEW = "-: too few samples to say (p50 takes 5, p90 29, p95 59, p99 299)"


# -- while it runs -------------------------------------------------------------------------------------------


def picture(test: Course | Swaps) -> list[Line]:
    """A line for each side."""
    passed = age(time.monotonic() - test.began)
    if isinstance(test, Swaps):
        return [Line((spin(), Bit(f" round {min(test.done + 1, test.rounds)} of {test.rounds}, {passed}")))]
    return [Line((spin(), *_progress(test, n), Bit(f", {passed}", "dim"))) for n in range(len(test.parties))]


def _progress(test: Course, number: int) -> Iterator[Bit]:
    party = test.parties[number]
    tally = party.tally
    if not party.sent:
        yield Bit(f" {party.side.name}: warming up, or not its turn yet")
        return
    yield Bit(f" {party.side.name}: {tally.answered} of {test.load.requests} answered")
    if party.turns.seconds:
        yield Bit(f", {tally.answered / party.turns.seconds:.1f} a second")
    if tally.failed:
        yield Bit(f", {tally.failed} failed", "red")


# -- at the end ----------------------------------------------------------------------------------------------


def show(console: Console, result: dict[str, Any]) -> None:
    """All figures of the run."""
    console.line(plan(result), style="dim")
    if "rounds" in result:
        _show_swaps(console, result)
        return
    for side in result["sides"]:
        _show_side(console, side, lone=len(result["sides"]) == 1)
    for compared in result["compare"]:
        _show_compared(console, result, compared)
    if any(told[p] is None for side in result["sides"] for told in side["measures"].values() for p in FIGURES):
        console.line(TOO_FEW, style="dim")


def _show_side(console: Console, side: dict[str, Any], *, lone: bool) -> None:
    console.line()
    name = "" if lone else f"{side['name']}: "
    models = ", ".join(map(_short, side["models"]))
    console.bits(Bit(name, "bold"), Bit(side["url"]), Bit(f" {models}", "bold"))
    if side["measures"]:
        columns = ("MILLISECONDS", "N", *(p.upper() for p in FIGURES))
        console.table(Table(columns, [*_rows(side)], frozenset(columns[1:])))
    console.line(_rates(side))


def _rows(side: dict[str, Any]) -> Iterator[list[Bit]]:
    for name, words in NAMES.items():
        told = side["measures"].get(name)
        if told and (name not in ("queued", "loaded") or told["max"]):
            yield _row(words, told)
    for model, part in side["by_model"].items():
        for name in ("first_token", "total"):
            if told := part["measures"].get(name):
                yield _row(f"{NAMES[name][-5:-1]} {_short(model)}", told)


def _row(name: str, told: dict[str, Any]) -> list[Bit]:
    return [Bit(name), Bit(str(told["n"]), "dim"), *(Bit(milliseconds(told[p])) for p in FIGURES)]


def _rates(side: dict[str, Any]) -> str:
    """``100 answered in 12.3 s: 8.12 requests/s, 260 tokens/s; 63.1 tokens/s in one answer (median)``."""
    tokens = side["tokens"]
    text = f"{side['answered']} answered in {side['seconds']:.1f} s"
    if not side["requests_per_second"]:
        return text
    text += f": {rate(side['requests_per_second'])} requests/s"
    if tokens["completion"]:
        text += f", {rate(tokens['completion_per_second'])} tokens/s"
        text += "" if tokens["counted"] == "server" else " (events counted: the server gave no usage)"
    if (speed := side["measures"].get("speed")) and speed["p50"]:
        text += f"; {rate(speed['p50'])} tokens/s in one answer (median)"
    return text


def _show_compared(console: Console, result: dict[str, Any], compared: dict[str, Any]) -> None:
    """Two sides beside each other."""
    of = {side["name"]: side["measures"] for side in result["sides"]}
    a, b = compared["to"], compared["side"]
    columns = ("MILLISECONDS", f"{a} P50", f"{b} P50", f"{b}/{a}", "95 % SURE", f"{a} P95", f"{b} P95")
    rows = []
    for name, found in compared["measures"].items():
        one, other = of[a][name], of[b][name]
        style = "bold" if found["differs"] else "dim"
        ends = f"{found['low']:.3g}–{found['high']:.3g}"
        ratio = (Bit(f"{found['ratio']:.3g}", style), Bit(ends, style))
        p50, p95 = ([Bit(milliseconds(each[p])) for each in (one, other)] for p in ("p50", "p95"))
        rows.append([Bit(NAMES[name]), *p50, *ratio, *p95])
    console.line()
    if rows:
        console.table(Table(columns, rows, frozenset(columns[1:])))
    else:
        console.line(
            f"too few turns to compare {a} and {b}: ask for more --requests, or fewer at once", style="yellow"
        )


def _show_swaps(console: Console, result: dict[str, Any]) -> None:
    columns = ("MILLISECONDS", "WARM", "SWAP", "COST", "WORST", "QUEUE", "LOAD", "SWAPS")
    for side in result["sides"]:
        console.line()
        console.bits(Bit(f"{side['name']}: " if len(result["sides"]) > 1 else "", "bold"), Bit(side["url"]))
        rows = [row for change in side["changes"] for row in _swap_rows(change)]
        console.table(Table(columns, rows, frozenset(columns[1:])))
        for change in side["changes"]:
            if change["swapped"] == 0 and change["rounds"]:
                text = f"{_short(change['model'])} was never swapped in: both may fit at once"
                console.line(text, style="yellow")
    console.line("medians; COST, WORST: how much longer the first request after the other model took", style="dim")
    console.line("QUEUE: all of its wait in swapd; LOAD: how long its engine took to be ready", style="dim")


def _swap_rows(change: dict[str, Any]) -> Iterator[list[Bit]]:
    swaps = "?" if change["swapped"] is None else f"{change['swapped']}/{change['rounds']}"
    notes = [change["queued"], change["loaded"]]
    for name, words in (("first_byte", "TTFB"), ("first_token", "TTFT")):
        if cost := change["cost"][name]:
            times = (change["warm"][name], change["after"][name], cost)
            figures = [milliseconds(told["median"]) for told in times] + [milliseconds(cost["worst"])]
            rest = [milliseconds(told and told["median"]) for told in notes]
            yield [Bit(f"{words} {_short(change['model'])}"), *map(Bit, (*figures, *rest, swaps))]


# -- what went wrong -----------------------------------------------------------------------------------------


def complain(console: Console, result: dict[str, Any]) -> None:
    """What failed and how, what ended the run, and whether the bench itself was the limit."""
    lone = len(result["sides"]) == 1
    for side in result["sides"]:
        name = "" if lone else f"{side['name']}: "
        for errors in [side["errors"]] if "errors" in side else [c["errors"] for c in side["changes"]]:
            _tell(console, name, errors)
        if not side.get("answered", True) and not side["failed"]:
            console.line(f"{name}nothing was measured", style="yellow")
        if side.get("dropped"):
            console.line(f"{name}{several(side['dropped'], 'request')} under way were dropped", style="yellow")
    if result["stopped"]:
        why = "interrupted" if result["stopped"] == "interrupted" else "stopped at its --duration"
        console.line(f"{why} after {result['seconds']:.1f} s", style="yellow")
    bench = result.get("bench")
    if bench and bench["breathless"]:
        share = f"{bench['cores']:.0%} of a core"
        console.line(
            f"the bench itself took {share}: these figures are rather its own than the server's; ask for less at "
            "once",
            style="yellow",
        )


def _tell(console: Console, name: str, errors: Sequence[dict[str, Any]]) -> None:
    for error in errors:
        example = f": {error['example']}" if error["example"] else ""
        console.bits(Bit(f"{name}{error['count']} failed, ", "red"), Bit(error["kind"], "bold red"), Bit(example))


def _short(name: str) -> str:
    return name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…"
