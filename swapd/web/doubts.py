"""Engines that answer 5xx again and again: looked into once, and given up if it is they who are broken.

An engine whose GPU has failed may live on, call itself healthy, and fail every request. But 5xx is also what
llama-server answers to an input that is too long for it; so an engine is asked something small before it is given
up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from swapd import tasks
from swapd.core.engine import RunId
from swapd.core.events import EngineSick
from swapd.core.spec import Spec, Timeouts
from swapd.web.gate import Gate, Lease
from swapd.web.headers import JSON
from swapd.web.upstream import EngineBroke, FirstByteLate, Request, Upstream, get

log = logging.getLogger("swapd")
MANY = 5
"""Failures in a row."""
BROKEN = 500
"""The statuses from here on, but for SOUND ones."""
SOUND = frozenset((501, 503))
"""With these it says what it cannot do, and that it will be able to."""
REST = 60.0
"""Seconds between two looks into a model's engines."""
BOUNDS = Timeouts(connect=2.0, first_byte=30.0, idle=30.0, total=30.0)
_SMALL: Mapping[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
    "completions": ("/v1/completions", {"prompt": "Hi", "max_tokens": 1}),
    "embeddings": ("/v1/embeddings", {"input": "Hi"}),
    "rerank": ("/v1/rerank", {"query": "Hi", "documents": ["Hi"]}),
}
"""The smallest question of each ability that computes something."""


class Doubts:
    """Counts failures in a row, by run; of a model's runs that is the last one."""

    def __init__(self, gate: Gate, upstream: Upstream) -> None:
        self._gate = gate
        self._upstream = upstream
        self.failures: dict[str, tuple[RunId, int]] = {}
        """By model: who failed last, and how often in a row."""
        self._looks: dict[str, asyncio.Task[None]] = {}
        self._rested: dict[str, float] = {}
        """By model: when it may be looked into again."""

    def note(self, lease: Lease, status: int, ability: str) -> None:
        """What a request was answered with."""
        model, now = lease.run.model, asyncio.get_running_loop().time()
        if status < BROKEN:
            self.failures.pop(model, None)
        if status < BROKEN or status in SOUND:
            return
        run, failures = self.failures.get(model, (lease.run, 0))
        failures = failures + 1 if run == lease.run else 1
        self.failures[model] = lease.run, failures
        if failures >= MANY and model not in self._looks and now >= self._rested.get(model, now):
            self._rested[model] = now + REST
            look = self._look(lease.run, lease.spec, ability)
            self._looks[model] = tasks.spawn(look, name=f"look into {lease.run}")

    async def _look(self, run: RunId, spec: Spec, ability: str) -> None:
        why, sound = None, "but answers in its own time"
        try:
            why = await self._broken(run, spec, ability)
            sound = "but says that it is well" if spec.remote else "but not a small one of ours"
        except FirstByteLate:
            pass  # it is busy: the next failures will tell
        finally:
            del self._looks[run.model]
            self.failures.pop(run.model, None)
        if why is not None:
            self._gate.post(EngineSick(run, f"it failed {MANY} requests in a row, and {why}"))
        else:
            log.warning("%s failed %d requests in a row, %s: look at what it is asked", run, MANY, sound)

    async def _broken(self, run: RunId, spec: Spec, ability: str) -> str | None:
        """Why it is; None if it answers. A remote one is only asked for its health: all else may cost money.

        One that fails whatever needs the ability may never have had it: it is sound if it does anything else.
        """
        status, why = await self._asked(run, get(spec.launch.health))
        if status >= BROKEN or spec.remote or ability not in _SMALL:
            return why
        status, why = await self._asked(run, _small(spec, ability))
        if status < BROKEN:
            return None
        for other in _SMALL.keys() - {ability}:
            if (await self._asked(run, _small(spec, other)))[0] == 200:
                return None
        return why

    async def _asked(self, run: RunId, question: Request) -> tuple[int, str | None]:
        """The status, and what is wrong with it. An engine that breaks off is a bad gateway."""
        try:
            status, _ = await self._upstream.page(run, question, BOUNDS)
        except EngineBroke as broke:
            return 502, f"{question.target} gets no answer: {broke}"
        wrong = f"{question.target} is answered with {status} to a question of ours, too"
        return status, wrong if status >= BROKEN else None


def _small(spec: Spec, ability: str) -> Request:
    path, body = _SMALL[ability]
    asked = msgspec.json.encode({"model": spec.terms.service.upstream_model or spec.name, **body})
    return Request("POST", path, JSON, asked)
