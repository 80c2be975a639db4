"""The report: one page that needs nothing beside it. No script, nothing from elsewhere, all text escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from swapd.loadtest.course import Course
from swapd.loadtest.plots import Curve, distribution, histogram, strips, timeline
from swapd.loadtest.result import plan
from swapd.loadtest.samples import FIGURES
from swapd.loadtest.scale import milliseconds, rate
from swapd.loadtest.style import COLOURS, STYLE, esc
from swapd.loadtest.swaps import Swaps
from swapd.loadtest.tally import NAMES


def page(test: Course | Swaps, result: dict[str, Any]) -> str:
    """The page of a run, of which ``result`` is the JSON."""
    cards = _swap_cards(test, result) if isinstance(test, Swaps) else _cards(test, result)
    body = "\n".join(f"<section>{card}</section>" for card in cards)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>swapd bench, {esc(result["at"])}</title><style>{STYLE}</style></head>
<body><h1>swapd bench</h1>
<p class="soft">{esc(result["at"])} · {esc(plan(result))}</p>
{"".join(f'<p class="bad">{esc(text)}</p>' for text in _warnings(result))}
<div class="cards">
{body}
</div></body></html>
"""


def _warnings(result: dict[str, Any]) -> Iterator[str]:
    if result["stopped"]:
        yield f"Stopped after {result['seconds']:.1f} s ({result['stopped']}): the figures are of what was done."
    if (bench := result.get("bench")) and bench["breathless"]:
        yield f"The bench itself took {bench['cores']:.0%} of a core: these figures are rather its own."


# -- a load test ---------------------------------------------------------------------------------------------


def _cards(test: Course, result: dict[str, Any]) -> Iterator[str]:
    lone = len(result["sides"]) == 1
    for n, side in enumerate(result["sides"]):
        yield _side(n, side, lone)
    for compared in result["compare"]:
        yield _compared(compared)
    tallies = [(n, party.side.name, party.tally) for n, party in enumerate(test.parties)]
    begins = "first_token" if result["load"]["stream"] else "first_byte"
    curves = [
        Curve(name, n, values, dashed=measure == "total")
        for n, name, tally in tallies
        for measure in (begins, "total")
        if (values := tally.measures[measure].kept)
    ]
    if curves:
        title = f"{NAMES[begins]}, and dashed: {NAMES['total']}"
        yield _picture("How long requests took", title, distribution(title, curves))
    if points := [(n, tally.points) for n, _, tally in tallies if tally.points]:
        title = "dot: first token, ring: all of it" if result["load"]["stream"] else "ring: all of it"
        yield _picture("Over time", title, timeline(title, test.began, points))
    if gaps := [Curve(name, n, tally.measures["gap"].kept) for n, name, tally in tallies if tally.measures["gap"]]:
        title = "share of the gaps; events that came in one piece stand at the left edge"
        yield _picture("Between events", title, histogram(title, gaps))


def _picture(head: str, words: str, svg: str) -> str:
    return f'<h2>{esc(head)}</h2><p class="soft">{esc(words)}</p><div class="wide">{svg}</div>'


def _side(number: int, side: dict[str, Any], lone: bool) -> str:
    return "".join((_head(number, side, lone), _facts(side), _measures(side), _errors(side["errors"])))


def _head(number: int, side: dict[str, Any], lone: bool) -> str:
    key = f'<span class="key c{number % COLOURS}"></span>'
    name = "" if lone else f"{esc(side['name'])}: "
    models = ", ".join(map(esc, side["models"][:8]))
    return f'<h2>{key}{name}{models}</h2><p class="soft">{esc(side["url"])}</p>'


def _facts(side: dict[str, Any]) -> str:
    tokens, pace = side["tokens"], side["requests_per_second"]
    facts = [(str(side["answered"]), "answered")]
    facts += [(rate(pace), "requests/s")] if pace else []
    if tokens["completion"]:
        counted = "tokens/s" if tokens["counted"] == "server" else "tokens/s (events counted)"
        facts.append((rate(tokens["completion_per_second"]), counted))
    if side["failed"]:
        facts.append((str(side["failed"]), "failed"))
    words = "".join(f"<span><b>{esc(figure)}</b>{esc(what)}</span>" for figure, what in facts)
    return f'<div class="facts">{words}</div>'


def _measures(side: dict[str, Any]) -> str:
    rows = []
    for name, words in NAMES.items():
        told = side["measures"].get(name)
        if told and (name not in ("queued", "loaded") or told["max"]):
            rows.append([words, str(told["n"]), *(_time(told[p]) for p in FIGURES)])
    return _table(["milliseconds", "n", *FIGURES], rows) if rows else "<p>Nothing was answered.</p>"


def _compared(compared: dict[str, Any]) -> str:
    a, b = compared["to"], compared["side"]
    rows = [
        [NAMES[name], f"{found['ratio']:.3g}", f"{found['low']:.3g} to {found['high']:.3g}", _verdict(found, a, b)]
        for name, found in compared["measures"].items()
    ]
    words = f"How many times as long as {a} did {b} take, turn by turn: the median, and its 95 % interval."
    table = _table(["", f"{b} by {a}", "between", ""], rows) if rows else "<p>Too few turns to compare.</p>"
    return f'<h2>{esc(b)} beside {esc(a)}</h2><p class="soft">{esc(words)}</p>{table}'


def _verdict(found: dict[str, Any], a: str, b: str) -> str:
    if not found["differs"]:
        return "no difference seen"
    return f"{b} is slower" if found["ratio"] > 1 else f"{a} is slower"


def _errors(errors: Sequence[dict[str, Any]]) -> str:
    if not errors:
        return ""
    rows = "".join(
        f'<tr><td class="bad">{esc(each["kind"])}</td><td>{each["count"]}</td>'
        f'<td class="free">{esc(each["example"])}</td></tr>'
        for each in errors
    )
    head = '<tr><th>failed</th><th>times</th><th class="free">for example</th></tr>'
    return f'<div class="wide"><table>{head}{rows}</table></div>'


# -- swaps ---------------------------------------------------------------------------------------------------


def _swap_cards(test: Swaps, result: dict[str, Any]) -> Iterator[str]:
    lone = len(result["sides"]) == 1
    for n, side in enumerate(result["sides"]):
        yield _head(n, side, lone) + _changes(side) + "".join(_errors(c["errors"]) for c in side["changes"])
    if rows := [*_strips(test, lone)]:
        title = "dots: the first request after the other model, rings: asked at once again; a stroke at the median"
        yield _picture("Until the first byte", title, strips(title, rows))


def _changes(side: dict[str, Any]) -> str:
    rows = []
    for change in side["changes"]:
        if (cost := change["cost"]["first_byte"]) is not None:
            figures = (change["warm"]["first_byte"], change["after"]["first_byte"], cost)
            swaps = "?" if change["swapped"] is None else str(change["swapped"])
            notes = (_time(told and told["median"]) for told in (change["queued"], change["loaded"]))
            medians = [_time(told["median"]) for told in figures]
            rows.append([change["model"], *medians, _time(cost["worst"]), *notes, f"{swaps}/{change['rounds']}"])
    head = ["first byte, ms", "warm", "swap", "cost", "worst", "queue", "load", "swaps"]
    return _table(head, rows) if rows else "<p>Nothing was answered.</p>"


def _strips(test: Swaps, lone: bool) -> Iterator[Curve]:
    for n, (party, changes) in enumerate(zip(test.parties, test.changes, strict=True)):
        for change in changes:
            for warm, outcomes in ((False, change.after), (True, change.warm)):
                values = [o.first_byte for o in outcomes if o.trouble is None and o.first_byte is not None]
                how = "warm" if warm else "swapped in"
                name = f"{'' if lone else f'{party.side.name}: '}{change.model[:60]}, {how}"
                if values:
                    yield Curve(name, n, values, dashed=warm)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{esc(word)}</th>" for word in head)
    body = "".join(f"<tr>{''.join(f'<td>{esc(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{body}</table></div>'


def _time(seconds: float | None) -> str:
    """In milliseconds; ``–`` where there were too few samples, or nobody told."""
    return milliseconds(seconds) or "–"
