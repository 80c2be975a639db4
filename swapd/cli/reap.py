"""``swapd reap``: what a daemon that is gone has left."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import click

from swapd.cli.console import stdout
from swapd.cli.target import config_option
from swapd.engines.ask import ask

CRASHES = {"signal", "core-dump", "watchdog", "oom-kill", "exit-code"}
"""``$SERVICE_RESULT`` (systemd.exec(5)) after which the service is started again, unless somebody stops it."""
FINAL = {"2"}
"""``$EXIT_STATUS`` of a daemon that is not started again: its config has problems."""
ASKING = 5.0
"""Seconds for systemd to say whether a stop is under way."""


@click.command("reap")
@config_option
def verb(config: str | None) -> None:
    """End the engines that a daemon has left which is gone and will not come back.

    They are meant to outlive a crash, so that the next daemon takes them over. Who will not start one ends them
    with this. As ExecStopPost of the systemd unit it ends everything in the unit's cgroup after a stop, and
    nothing after a crash: then systemd starts the daemon again.
    """
    if "SERVICE_RESULT" in os.environ and comes_back(os.environ):
        stdout().line("swapd is started again: leaving its engines to it")
        return
    from swapd.cli.leftovers import end_all  # noqa: PLC0415  (nobody waits for its imports after a crash)

    stdout().line(end_all(config, unit="SERVICE_RESULT" in os.environ))


def comes_back(environ: Mapping[str, str]) -> bool:
    """Whether systemd is about to start the service again, without anybody having asked for a stop."""
    crashed = environ["SERVICE_RESULT"] in CRASHES and environ.get("EXIT_STATUS") not in FINAL
    return crashed and not _job_waits()


def _job_waits() -> bool:
    """Whether a stop or a restart of our unit is under way. A restart after a crash is none, while we run."""
    group = Path("/proc/self/cgroup").read_text()
    units = re.findall(r"/([^/]+\.service)", group)
    if not units:
        return False
    command = ["systemctl", *(["--user"] if "/user@" in group else []), "show", "-p", "Job", "--value", units[-1]]
    try:
        return ask(command, os.environ, ASKING).out.isdecimal()
    except OSError:
        return False
