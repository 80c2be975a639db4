"""The outcome of a run as JSON. Its form is numbered: what is there keeps its name and meaning.

::

    {"swapd_bench": 1, "swapd": "0.1.0", "at": RFC 3339, "seconds": 12.3,
     "stopped": null | "duration" | "interrupted",
     "load": {"endpoint", "stream", "prompt" (given, else null), "prompt_tokens", "max_tokens", "requests",
              "concurrency", "rate", "duration", "timeout", "warmup"},
     "sides": [{"name": "A", "url", "models": [..], "sent", "dropped", "seconds", "requests_per_second",
                "answered", "failed", "errors": [{"kind", "count", "example"}],
                "measures": {"first_byte" | "first_token" | "gap" | "per_token" | "total" | "speed" | "queued" |
                             "loaded": {"n", "min", "mean", "p50", "p90", "p95", "p99", "max"}},
                "tokens": {"prompt", "completion", "completion_per_second",
                           "counted": "server" | "events" | "both" | null},
                "by_model": {NAME: {"answered", "failed", "measures", "errors"}},
                "warmup": [{"model", "first_byte", "total", "loaded", "error"}]}],
     "compare": [{"side": "B", "to": "A", "measures": {NAME: {"ratio", "low", "high", "differs"}}}],
     "bench": {"cores", "late", "breathless"}}

Seconds, but ``speed`` and all that is ``per_second``. Percentiles are null where there are too few samples. A
ratio is the median of those of the turns (B by A, each of the medians of a turn), with its 95 % interval; a turn
is a request, or some of them where several are asked at once. Of a swap test ``sides`` has only ``name``, ``url``,
``models`` and ``changes``: ``[{"model", "rounds", "swapped", "after", "warm", "cost", "queued", "loaded",
"errors"}]`` of ``{"n", "median", "worst"}``; there is no ``compare`` and no ``bench`` then, and ``rounds`` beside
``load``.
"""

from __future__ import annotations

from typing import Any

from swapd import __version__
from swapd.loadtest.course import COMPARED, Course, Load, Party
from swapd.loadtest.outcome import Outcome
from swapd.loadtest.ratio import ratio
from swapd.loadtest.swaps import Swaps
from swapd.loadtest.tally import TokenCount

FORM = 1


def told(run: Course | Swaps, at: str, seconds: float, interrupted: bool) -> dict[str, Any]:
    """The whole of it. ``at``: when it began; ``seconds``: how long it took, without warming up."""
    head: dict[str, Any] = {
        "swapd_bench": FORM,
        "swapd": __version__,
        "at": at,
        "seconds": seconds,
        "stopped": "interrupted" if interrupted else run.stopped,
        "load": _load(run.load),
    }
    if isinstance(run, Swaps):
        return head | {"rounds": run.rounds, "sides": _swap_sides(run)}
    return head | {
        "sides": [_side(party) for party in run.parties],
        "compare": [_compared(party, run.parties[0]) for party in run.parties[1:]],
        "bench": _bench(run),
    }


def _bench(run: Course) -> dict[str, Any]:
    """Who is out of breath from failures alone spoils no figures: there are none."""
    found = run.pulse.told()
    return found | {"breathless": found["breathless"] and any(party.tally.answered for party in run.parties)}


def plan(result: dict[str, Any]) -> str:
    """What was asked: ``chat, streamed, 32 words in, at most 64 tokens out; 100 requests, 4 at a time``."""
    load = result["load"]
    words = [load["endpoint"], *(["streamed"] if load["stream"] else [])]
    words.append("a given prompt" if load["prompt"] is not None else f"{load['prompt_tokens']} words in")
    if load["endpoint"] in ("chat", "completions"):
        words.append(f"at most {load['max_tokens']} tokens out")
    if "rounds" in result:
        return f"{', '.join(words)}; {result['rounds']} {'round' if result['rounds'] == 1 else 'rounds'} of swaps"
    pace = f"{load['rate']:g} a second" if load["rate"] else f"{load['concurrency']} at a time"
    return f"{', '.join(words)}; {load['requests']} requests, {pace}"


def _load(load: Load) -> dict[str, Any]:
    form = load.form
    return {
        "endpoint": form.endpoint,
        "stream": form.streams,
        "prompt": form.prompt,
        "prompt_tokens": form.words if form.prompt is None else None,
        "max_tokens": form.most,
        "requests": load.requests,
        "concurrency": load.concurrency,
        "rate": load.rate,
        "duration": load.duration,
        "timeout": load.bound,
        "warmup": load.warmup,
    }


def _side(party: Party) -> dict[str, Any]:
    tally = party.tally
    return {
        **_name(party),
        "sent": party.sent,
        "dropped": party.dropped,
        "seconds": party.turns.seconds,
        "requests_per_second": _rate(tally.answered, party.turns.seconds),
        **tally.told(),
        "tokens": _tokens(tally.tokens, party.turns.seconds),
        "by_model": {model: part.told() for model, part in party.parts.items()},
        "warmup": [_warm(outcome) for outcome in party.warm],
    }


def _name(party: Party) -> dict[str, Any]:
    return {"name": party.side.name, "url": party.side.shown, "models": list(party.side.models)}


def _tokens(tokens: TokenCount, seconds: float) -> dict[str, Any]:
    counted = {(True, False): "server", (False, True): "events", (True, True): "both"}
    return {
        "prompt": tokens.prompt,
        "completion": tokens.completion,
        "completion_per_second": _rate(tokens.completion, seconds),
        "counted": counted.get((tokens.by_server > 0, tokens.by_event > 0)),
    }


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if seconds > 0 else None


def _warm(outcome: Outcome) -> dict[str, Any]:
    return {
        "model": outcome.model,
        "first_byte": outcome.first_byte,
        "total": outcome.total,
        "loaded": outcome.notes.loaded,
        "error": outcome.trouble.kind if outcome.trouble else None,
    }


def _compared(party: Party, other: Party) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in COMPARED:
        each = ratio(party.turns.medians[name], other.turns.medians[name])
        if each is not None:
            found[name] = {"ratio": each.value, "low": each.low, "high": each.high, "differs": each.differs}
    return {"side": party.side.name, "to": other.side.name, "measures": found}


def _swap_sides(run: Swaps) -> list[dict[str, Any]]:
    sides = zip(run.parties, run.changes, strict=True)
    return [{**_name(party), "changes": [change.told() for change in changes]} for party, changes in sides]
