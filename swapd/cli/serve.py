"""``swapd serve``: the daemon itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import click

from swapd import systemd
from swapd.cli.console import stderr
from swapd.cli.failure import BadConfig
from swapd.cli.reading import read
from swapd.cli.target import config_option
from swapd.config import Loaded
from swapd.daemon import Daemon, run_loop
from swapd.journal import configure
from swapd.standin import relieves

AGAIN = 0.5
"""Seconds between two looks at a config that has to be mended first."""


@click.command("serve")
@config_option
@click.pass_context
def verb(ctx: click.Context, config: str | None) -> None:
    """Run the daemon until SIGTERM or Ctrl-C.

    It watches its config: saved edits take effect at once, and disturb only the models they are about.
    """
    with contextlib.suppress(ValueError):  # not the main thread, so not a process of its own
        for number in (signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)  # until the daemon can do it: the default is to die of it
    path, loaded = _good(config)
    assert loaded.settings is not None
    configure(loaded.settings.log, os.environ)

    async def serve() -> int:
        code = await Daemon(path, os.environ, loaded, [sys.executable, *sys.orig_argv[1:]]).run()
        # Told once more in its last moments, it would die of it: the loop that listens is gone by then.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return code

    ctx.exit(run_loop(serve()))


def _good(config: str | None) -> tuple[Path, Loaded]:
    """The config. Raises BadConfig if it has problems.

    But in the middle of an upgrade, when it was spoilt only after it had been found good, a stand-in serves: that
    is better than an end, so we wait until it is mended.
    """
    told: object = None
    while True:
        path, loaded = read(config)
        if loaded.settings is not None and loaded.catalog is not None:
            return path, loaded
        lines = "\n".join(str(problem) for problem in loaded.problems)
        if not relieves(os.environ) or signal.sigpending() & {signal.SIGTERM, signal.SIGINT}:
            raise BadConfig(f"cannot serve: the config has problems\n{lines}")
        if lines != told:
            stderr().line(f"swapd: the upgrade waits until the config is mended:\n{lines}", style="red")
        told = lines
        systemd.notify(os.environ, "WATCHDOG=1", "STATUS=the upgrade waits until the config is mended")
        time.sleep(AGAIN)
