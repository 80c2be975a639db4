"""``swapd bench``: a load test against any OpenAI-compatible server, or several side by side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from swapd.cli import INTERRUPTED
from swapd.cli.bench.show import complain, picture, show
from swapd.cli.bench.sides import Asked, asked_for, named
from swapd.cli.console import Console, stderr, stdout
from swapd.cli.failure import Failed
from swapd.cli.target import config_option
from swapd.config.units import duration
from swapd.loadtest.course import Course, Load
from swapd.loadtest.question import ENDPOINTS, Form
from swapd.loadtest.report import page
from swapd.loadtest.result import told
from swapd.loadtest.side import Side
from swapd.loadtest.swaps import Swaps

T = TypeVar("T")
AT_ONCE, AT_ONCE_OPEN = 4, 256
"""Requests at once where nobody says: closed, and with a rate."""
MOST_TOKENS, MOST_TOKENS_SWAP = 64, 8
"""Of an answer; a swap test waits for its beginning only."""
FRAMES_A_SECOND = 2
"""Of the progress. Each is drawn by the process that measures."""


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A duration as the config has them, above 0."""
    try:
        seconds = duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None
    if seconds <= 0:
        raise click.BadParameter("must be more than nothing", ctx, param)
    return seconds


def _of_load(verb: Callable[..., None]) -> Callable[..., None]:
    """The options that say how much is asked."""
    counted = click.IntRange(1, 10_000_000)
    for option in (
        click.option("-n", "--requests", type=counted, default=100, help="To each side. [default: 100]"),
        click.option(
            "--concurrency",
            type=click.IntRange(1, 10_000),
            help=f"Requests at once. [default: {AT_ONCE}; with --rate at most {AT_ONCE_OPEN}]",
        ),
        click.option(
            "--rate",
            type=click.FloatRange(0, 100_000, min_open=True),
            help="Send so many a second at random moments (Poisson), answered or not; times count from when each "
            "was due. [default: a place asks anew when it was answered]",
        ),
        click.option(
            "--duration",
            metavar="TIME",
            default="10m",
            callback=_seconds,
            help="Send no more then. [default: 10m]",
        ),
        click.option(
            "--timeout", metavar="TIME", default="5m", callback=_seconds, help="For each request. [default: 5m]"
        ),
        click.option("--warmup", type=click.IntRange(0, 1000), default=1, help="Uncounted requests. [default: 1]"),
    )[::-1]:
        verb = option(verb)
    return verb


def _of_form(verb: Callable[..., None]) -> Callable[..., None]:
    """The options that say what is asked."""
    for option in (
        click.option("--endpoint", type=click.Choice([*ENDPOINTS]), default="chat", help="[default: chat]"),
        click.option("--stream/--no-stream", default=True, help="[default: --stream where there are streams]"),
        click.option("--prompt", help="Always this. Servers may have it in a cache: that is measured then."),
        click.option(
            "--prompt-tokens",
            type=click.IntRange(1, 1_000_000),
            default=32,
            help="About so many, other words each time. [default: 32]",
        ),
        click.option("--max-tokens", type=click.IntRange(1, 1_000_000), help="Of an answer. [default: 64]"),
    )[::-1]:
        verb = option(verb)
    return verb


@click.command("bench")
@click.argument("url", required=False)
@config_option
@click.option("-m", "--model", multiple=True, help="Of several, one after the other. [default: the only one]")
@click.option("--key", envvar="OPENAI_API_KEY", show_envvar=True, help="The client's key, for URL alone.")
@_of_load
@_of_form
@click.option("--compare", multiple=True, metavar="URL", help="Ask this one too, in turn with the first.")
@click.option("--compare-model", multiple=True, metavar="NAME", help="What it calls the model, if otherwise.")
@click.option("--compare-key", multiple=True, metavar="KEY", help="Its key.")
@click.option("--swap", nargs=2, metavar="A B", help="What it costs to change between these models.")
@click.option("--rounds", type=click.IntRange(1, 10_000), default=10, help="Of --swap. [default: 10]")
@click.option("--json", "to_json", metavar="FILE", help="Write the figures there; - is stdout.")
@click.option("--html", "to_html", metavar="FILE", type=click.Path(dir_okay=False), help="Write a report there.")
def verb(to_json: str | None, to_html: str | None, **words: Any) -> None:
    """Ask a server again and again, and tell how long it takes: first byte, first token, gaps, all of it.

    URL is any OpenAI-compatible server's: http://host:port, with or without /v1, or unix:/path. [default: the
    daemon that the config leads to]. A gap lies between two events of a stream as they arrive, and an event may
    carry more than one token; tokens are counted by the server (usage), else by events, which is said. Failed
    requests are counted by kind and are in no figure. Ctrl-C shows what there is so far.
    """
    if words["swap"] and (words["model"] or words["compare_model"]):
        raise click.UsageError("cannot choose the models twice: --swap names them")
    load, rounds = _load(words), words["rounds"]
    sides = _sides(words)
    test = Swaps(load, sides, rounds) if words["swap"] else Course(load, sides)
    at, interrupted = datetime.now(UTC).isoformat(timespec="seconds"), False
    try:
        with stderr().live(lambda: picture(test), frames=FRAMES_A_SECOND):
            _run(test.run())
    except KeyboardInterrupt:
        interrupted = True
    result = told(test, at, time.monotonic() - test.began, interrupted)
    if to_json != "-":
        show(stdout(), result)
    complain(stderr() if to_json == "-" else stdout(), result)
    _write(test, result, to_json, to_html)
    if interrupted:
        click.get_current_context().exit(INTERRUPTED)
    if not all(_answered(side) for side in result["sides"]):
        click.get_current_context().exit(1)


def _load(words: dict[str, Any]) -> Load:
    usual = MOST_TOKENS_SWAP if words["swap"] else MOST_TOKENS
    form = Form(
        words["endpoint"], words["stream"], words["prompt"], words["prompt_tokens"], words["max_tokens"] or usual
    )
    at_once = words["concurrency"] or (AT_ONCE if words["rate"] is None else AT_ONCE_OPEN)
    bounds = {"duration": words["duration"], "bound": words["timeout"], "warmup": words["warmup"]}
    return Load(form, words["requests"], at_once, words["rate"], **bounds)


def _sides(words: dict[str, Any]) -> list[Side]:
    """Who is asked, with the models; a server is asked which it has where none was named."""
    sides = asked_for(Asked(**{name: words[name] for name in Asked.__dataclass_fields__}))
    if words["swap"]:
        return [replace(side, models=tuple(words["swap"])) for side in sides]
    return _run(named(sides))


def _run(coro: Coroutine[Any, Any, T]) -> T:
    """On uvloop where there is one: it costs the bench less."""
    factory = None
    try:
        import uvloop  # noqa: PLC0415  (optional)

        factory = uvloop.new_event_loop
    except ImportError:
        pass
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(coro)


def _write(test: Course | Swaps, result: dict[str, Any], to_json: str | None, to_html: str | None) -> None:
    """The files. Raises Failed if one cannot be written."""
    try:
        if to_json == "-":
            stdout().json(result)
        elif to_json is not None:
            with Path(to_json).open("w", encoding="utf-8") as file:
                Console(file, terminal=False).json(result)
        if to_html is not None:
            Path(to_html).write_text(page(test, result), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Failed(f"cannot write {error.filename}: {error.strerror}; the figures are above") from None


def _answered(side: dict[str, Any]) -> bool:
    if "changes" in side:
        return all(change["after"]["total"] for change in side["changes"])
    return bool(side["answered"])
