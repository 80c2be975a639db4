"""One command for all figures: ``python -m tests.bench [SECTION ...] [--json FILE]``.

relay: what a proxy costs beside nginx. swap: from request to first byte, beside the bare engine. desk: a lease,
and events a second of the scheduler. memory: RSS idle and with 500 streams, CPU when idle. start: seconds to
listening. reload: what running streams notice of one. leaving: until an engine sees that its client has left.
watched: what /metrics and the readers of /admin/live cost with 1 000 models, and what swapd top costs. cycles:
what a thousand engines leave behind in the daemon, and how soon each goes. crash: the daemon killed with -9 and
started again. upgrade: swapd reload --exec under load. deaths: until clients know that their engine was killed.
deaf: the stop of an engine that does not hear SIGTERM. checking: swapd check of 5 and of 1 000 models.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.bench import tools

Found = tuple[dict[str, Any], str]
"""Figures for the JSON, and the table."""


def _relay(args: argparse.Namespace) -> Found:
    from tests.bench import relay

    rounds, pace = (args.rounds or 1, 0.4) if args.quick else (args.rounds or 3, 1.0)
    more = [name for name in relay.MORE if getattr(args, name.replace("-", "_"))]
    found = relay.measure(rounds=rounds, pace=pace, with_nginx=not args.without_nginx, more=more, peers=args.peer)
    return found, relay.table(found)


def _swap(args: argparse.Namespace) -> Found:
    from tests.bench import swap

    found = swap.measure(*([3] if args.quick else []))
    return found, "swap: from request to first byte, medians\n" + swap.table(found)


def _memory(args: argparse.Namespace) -> Found:
    from tests.bench import memory

    found = memory.measure(0.3 if args.quick else 1.0)
    return found, memory.table(found)


def _cycles(args: argparse.Namespace) -> Found:
    from tests.bench import cycles

    found = cycles.measure(args.rounds or (100 if args.quick else cycles.ROUNDS))
    return found, cycles.table(found)


def _outage(name: str, rounds: int, few: int, args: argparse.Namespace) -> Found:
    """One of crash, upgrade, deaths, deaf."""
    module = import_module(f"tests.bench.{name}")
    found = module.measure(args.rounds or (few if args.quick else rounds))
    return found, module.table(found)


def _told(module: str, _: argparse.Namespace) -> Found:
    """What a module prints that is a bench by itself; the JSON has its lines."""
    done = subprocess.run([sys.executable, "-m", module], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"cannot run {module}: {done.stderr.strip()[-2000:]}")
    return {"lines": done.stdout.splitlines()}, f"{module}\n{done.stdout.strip()}"


SECTIONS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "relay": _relay,
    "swap": _swap,
    "desk": partial(_told, "tests.bench.desk"),
    "memory": _memory,
    "start": partial(_told, "tests.bench.start"),
    "reload": partial(_told, "tests.bench.reload"),
    "leaving": partial(_told, "tests.bench.leaving"),
    "watched": partial(_told, "tests.bench.watched"),
    "checking": partial(_told, "tests.bench.checking"),
    "cycles": _cycles,
    "crash": partial(_outage, "crash", 10, 3),
    "upgrade": partial(_outage, "upgrade", 10, 3),
    "deaths": partial(_outage, "deaths", 20, 5),
    "deaf": partial(_outage, "deaf", 20, 5),
}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; none is all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--quick", action="store_true", help="a short run, to look while building")
    parser.add_argument("--rounds", type=int, help="of relay, cycles, crash, upgrade, deaths, deaf: how often")
    parser.add_argument("--plain-loop", action="store_true", help="relay: swapd without uvloop too")
    parser.add_argument(
        "--unix-sockets", action="store_true", help="relay: swapd too with engines on Unix sockets"
    )
    parser.add_argument("--access-log", action="store_true", help="relay: swapd too with an access log")
    parser.add_argument("--without-nginx", action="store_true", help="relay: no nginx, and so no ratios")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=URL[:PID]", help="relay: another proxy"
    )
    args = parser.parse_args()
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}: choose of {', '.join(SECTIONS)}")
    return args


def main() -> int:
    """Measure, print, and write; 1 if a section could not be measured."""
    args = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # told to end, it still ends what it started
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
    found: dict[str, Any] = {"machine": tools.machine()}
    print(", ".join(f"{name} {value}" for name, value in found["machine"].items()), flush=True)
    failed = []
    for name in args.sections or SECTIONS:
        try:
            found[name], told = SECTIONS[name](args)
        except (RuntimeError, ValueError, tools.Missing) as error:
            failed.append(name)
            told = f"{name}: {error}"
        print(f"\n{told}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
