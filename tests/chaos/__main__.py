"""``python -m tests.chaos --seconds 1800 --seed 7``: load, faults, invariants. Exit 1 if any fails.

The plan is drawn from the seed before the run and stands in the report; ``--replay REPORT`` runs it again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from swapd.cli.tiny_model import write_chat
from swapd.daemon import run_loop
from tests.chaos import features
from tests.chaos.arena import Arena, many_files
from tests.chaos.drive import LONGER, Drive
from tests.chaos.guard import Guard
from tests.chaos.plan import Plan, drawn, replayed
from tests.chaos.table import CHORES, FAULTS

STUCK = 240.0
"""Seconds that the run may take longer than it was told to."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--at-least", type=int, default=0, metavar="N", help="go on until N faults happened")
    parser.add_argument("--faults", default="", help=f"only these, with commas: {', '.join(FAULTS)}")
    parser.add_argument("--no-chores", action="store_true", help=f"none of: {', '.join(CHORES)}")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="the plan of this report")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write all as JSON")
    parser.add_argument("--llama", action="store_true", help="one of the models is a true llama.cpp engine")
    parser.add_argument("--keep-log", type=Path, metavar="FILE", help="the daemon's log, copied there at the end")
    told = parser.parse_args()
    if unknown := set(filter(None, told.faults.split(","))) - set(FAULTS):
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    return told


def main() -> int:
    """The exit code."""
    told = options()
    features.enter_own_mounts(sys.argv[1:])
    many_files()
    absent = features.absent()
    plan = _plan(told, absent)
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    llama = _true_engine(folder) if told.llama else ()
    arena = Arena(folder, adoption="adoption" not in absent, llama=llama)
    with Guard(arena.mark, folder):
        try:
            return run_loop(_run(arena, plan, told))
        finally:
            if told.keep_log and arena.log.exists():
                shutil.copy(arena.log, told.keep_log)
            arena.abandon()


def _plan(told: argparse.Namespace, absent: dict[str, str]) -> Plan:
    if told.replay:
        return replayed(json.loads(told.replay.read_text()))
    roles = {"model": ("llama",)} if told.llama else {}
    plan = drawn(told.seed, told.seconds, absent, [*filter(None, told.faults.split(","))], roles)
    return Plan(plan.seed, plan.seconds, plan.faults, (), plan.left_out) if told.no_chores else plan


async def _run(arena: Arena, plan: Plan, told: argparse.Namespace) -> int:
    drive = Drive(arena, plan, told.at_least)
    longest = plan.seconds + (LONGER if told.at_least else 0.0) + STUCK
    try:
        async with asyncio.timeout(longest):
            await drive.run()
    except TimeoutError as error:
        drive.report.wrong("the run", f"it was stuck: {error}")
    drive.report.show(drive.tally)
    if told.report:
        drive.report.write(told.report, drive.tally)
    return 0 if drive.report.is_good(drive.tally) else 1


def _true_engine(folder: Path) -> tuple[str, ...]:
    """The command of a true engine with a model of a megabyte: swapd's own front over llama.cpp."""
    path = folder / "llama.gguf"
    write_chat(path, "llama", count=200)
    front = shutil.which("llama-server-vulkan", path=str(Path(sys.executable).parent))
    command = front or shlex.join([sys.executable, "-m", "swapd.engines.llama_server"])
    return (*shlex.split(command), "-m", str(path), "-c", "1024", "--threads", "1", "--alias", "llama")


if __name__ == "__main__":
    sys.exit(main())
