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
BOUNDS = Timeouts(connect=2.0, first_byte=30.0, idle=30.0, total=30.0)
_SMALL: Mapping[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}),
    "completions": ("/v1/completions", {"prompt": "Hi", "max_tokens": 1}),
    "embeddings": ("/v1/embeddings", {"input": "Hi"}),
    "rerank": ("/v1/rerank", {"query": "Hi", "documents": ["Hi"]}),
}
"""The smallest question of each ability that computes something."""


class Doubts:
    """Counts failures in a row, by run."""

    def __init__(self, gate: Gate, upstream: Upstream) -> None:
        self._gate = gate
        self._upstream = upstream
        self.failures: dict[RunId, int] = {}
        """Those who failed last, and how often in a row."""
        self._looks: dict[RunId, asyncio.Task[None]] = {}

    def note(self, lease: Lease, status: int, ability: str) -> None:
        """What a request was answered with."""
        if status < BROKEN:
            self.failures.pop(lease.run, None)
        if status < BROKEN or status in SOUND:
            return
        failures = self.failures[lease.run] = self.failures.get(lease.run, 0) + 1
        if failures >= MANY and lease.run not in self._looks:
            look = self._look(lease.run, lease.spec, ability)
            self._looks[lease.run] = tasks.spawn(look, name=f"look into {lease.run}")

    async def _look(self, run: RunId, spec: Spec, ability: str) -> None:
        try:
            why = await self._broken(run, spec, ability)
        except FirstByteLate:
            why = None  # it is busy: the next failures will tell
        finally:
            del self._looks[run]
            self.failures.pop(run, None)
        if why is not None:
            self._gate.post(EngineSick(run, f"it failed {MANY} requests in a row, and {why}"))
        else:
            log.warning(
                "%s failed %d requests in a row, but a small one succeeds: look at what is asked", run, MANY
            )

    async def _broken(self, run: RunId, spec: Spec, ability: str) -> str | None:
        """Why it is; None if it answers. A remote one is only asked for its health: all else may cost money."""
        questions = [get(spec.launch.health)]
        if not spec.remote and ability in _SMALL:
            path, body = _SMALL[ability]
            asked = msgspec.json.encode({"model": spec.terms.service.upstream_model or spec.name, **body})
            questions.append(Request("POST", path, JSON, asked))
        for question in questions:
            try:
                status, _ = await self._upstream.page(run, question, BOUNDS)
            except EngineBroke as broke:
                return f"{question.target} gets no answer: {broke}"
            if status >= 500:
                return f"{question.target} is answered with {status} to a question of ours, too"
        return None
