"""``swapd serve``: the daemon itself."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import click

from swapd.cli.failure import BadConfig
from swapd.cli.reading import read
from swapd.cli.target import config_option
from swapd.daemon import Daemon, run_loop
from swapd.journal import configure


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
    path, loaded = read(config)
    if loaded.settings is None or loaded.catalog is None:
        lines = "\n".join(str(problem) for problem in loaded.problems)
        raise BadConfig(f"cannot serve: the config has problems\n{lines}")
    configure(loaded.settings.log, os.environ)

    async def serve() -> int:
        code = await Daemon(path, os.environ, loaded, [sys.executable, *sys.orig_argv[1:]]).run()
        # Told once more in its last moments, it would die of it: the loop that listens is gone by then.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        return code

    ctx.exit(run_loop(serve()))
