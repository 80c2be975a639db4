"""How soon a client hears that its engine was killed with -9: mid-stream, before the first byte, while it loads.

Milliseconds from the kill to the end of the client's answer, which is an error. Each death is of an engine of its
own, a fake.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.bounds import Limit, judged, worst_and_median
from tests.e2e.test_deaths import before_the_first_byte, mid_stream, while_it_loads
from tests.processes import Client, daemons, fake

ROUNDS = 20
"""Deaths of each kind."""
KINDS = {
    "stream": (mid_stream, "mid-stream", "--chunk-seconds 0.05 --words 5000"),
    "first": (before_the_first_byte, "before the first byte", "--slow-nonstream 60"),
    "load": (while_it_loads, "while it loads", "--load-seconds 60"),
}
"""How it dies, in words, and the flags of the engine."""
LIMITS = {
    f"{kind}_{which}": Limit(f"{words}, {said}", "ms", 50, places=1)
    for kind, (_, words, _) in KINDS.items()
    for which, said in (("median", "median"), ("worst", "at most"))
}


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures of LIMITS."""
    entries = [
        f'  {kind}{n}: {{command: "{fake(*flags.split())}", retry: {{attempts: 0}}}}\n'
        for kind, (_, _, flags) in KINDS.items()
        for n in range(rounds)
    ]
    with tempfile.TemporaryDirectory() as folder, daemons(Path(folder)) as start:
        daemon = start(f"listen: 127.0.0.1:0\nbudget: {{engines: 3}}\nmodels:\n{''.join(entries)}")
        return asyncio.run(_measure(daemon.url, rounds))


def table(found: dict[str, Any]) -> str:
    """The figures with their bounds."""
    return judged(f"deaths, {found['rounds']} of each: until the client knows", found, LIMITS)


async def _measure(url: str, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {"rounds": rounds}
    async with aiohttp.ClientSession(url) as session:
        client = Client(session)
        for kind, (dying, _, _) in KINDS.items():
            took = [1000 * await dying(client, f"{kind}{n}") for n in range(rounds)]
            found |= worst_and_median(kind, took) | {kind: took}
    return found
