"""How long the stop of an engine takes that is deaf to SIGTERM, and whose deaf child is in a session of its own.

By ``POST /admin/models/NAME/unload``, which answers when nothing of the engine is left: seconds beyond its grace.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import aiohttp

from tests.bench.bounds import Limit, judged, worst_and_median
from tests.processes import Client, daemons, fake

ROUNDS, GRACE = 20, 0.5
"""Engines, and the seconds that each has from SIGTERM to SIGKILL."""
LIMITS = {
    "stops": Limit("deaf engines stopped"),
    "beyond_median": Limit("beyond the grace, median", "s", 0.2, places=3),
    "beyond_worst": Limit("beyond the grace, at most", "s", 0.2, places=3),
    "left": Limit("processes left", "", 0),
}


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures of LIMITS."""
    with tempfile.TemporaryDirectory() as folder, daemons(Path(folder)) as start:
        command = fake("--deaf", "--grandchild", "--grandchild-setsid")
        daemon = start(f'listen: 127.0.0.1:0\nmodels:\n  m: {{command: "{command}", stop_grace: {GRACE}s}}\n')
        return asyncio.run(_measure(daemon.url, rounds))


def table(found: dict[str, Any]) -> str:
    """The figures with their bounds."""
    return judged(f"deaf, with a grace of {GRACE:g} s", found, LIMITS)


async def _measure(url: str, rounds: int) -> dict[str, Any]:
    beyond, left = [], 0
    async with aiohttp.ClientSession(url) as session:
        client = Client(session)
        for _ in range(rounds):
            await client.text("m")
            pid = (await client.model("m"))["pid"]
            tree = [pid, *_children(pid)]
            if len(tree) < 2:
                raise RuntimeError("cannot measure deaf: the engine has no child")
            begun = perf_counter()
            async with session.post("/admin/models/m/unload") as answer:
                await answer.read()
            beyond.append(perf_counter() - begun - GRACE)
            left += sum(map(_lives, tree))
    return {"stops": rounds, **worst_and_median("beyond", beyond), "left": left, "beyond": beyond}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
