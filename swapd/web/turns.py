"""A request's turn at an engine: waited for, held while it is answered, taken again where that is safe."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable
from dataclasses import replace
from typing import Protocol

from swapd.core import explain
from swapd.core.commands import Cause
from swapd.core.events import EngineSick
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.spec import Retry
from swapd.web.client import Client
from swapd.web.doubts import BROKEN, Doubts
from swapd.web.errors import FIRST_BYTE_LATE, Problem, of_refusal
from swapd.web.gate import Engines, Gate, Lease
from swapd.web.relay import broken_off
from swapd.web.upstream import EngineBroke, FirstByteLate, Upstream

LAST_LINES = 20
NOTHING = 0.05
"""Seconds that are no wait."""
LONGEST_PAUSE = 60
"""Seconds for which a client is sent away at most: an estimate for later is worth little."""
LONGEST_BACKOFF = 30.0
"""Seconds between two tries at most."""
JITTER = 0.25
"""Share of it by which a pause is longer or shorter."""


class Deliver(Protocol):
    """Answers a request from an engine that is held."""

    @property
    def ability(self) -> str:
        """What that must be able to do; empty if nobody knows."""

    @property
    def able(self) -> frozenset[str] | None:
        """Of a pool, the models that can; None for all."""

    def __call__(self, lease: Lease) -> Awaitable[None]:
        """Raises EngineBroke and FirstByteLate before the first byte."""


class Turns:
    """At the desk, for every handler that asks an engine."""

    def __init__(self, gate: Gate, engines: Engines, upstream: Upstream) -> None:
        self._gate = gate
        self._engines = engines
        self._doubts = Doubts(gate, upstream)

    async def take(self, client: Client, name: str, deliver: Deliver) -> None:
        """Hold an engine while ``deliver`` answers; again, after a pause, if it breaks before its first byte.

        Raises Problem.
        """
        tries = 0
        client.visit.model = name
        while True:
            try:
                async with self._gate.lease(name, client.name) as lease:
                    held = lease
                    client.turn.reason = self._reason(lease)
                    client.turn.lease = lease
                    client.turn.again = tries < lease.spec.terms.service.retry.attempts
                    await deliver(lease)
                    if client.status >= BROKEN or self._doubts.failures:
                        self._doubts.note(lease, client.status, deliver.ability)
                    return
            except Refused as refused:
                raise self._problem(self._with_last_lines(refused.refusal)) from None
            except FirstByteLate as late:
                raise Problem(FIRST_BYTE_LATE, f"cannot get an answer for model '{name}': {late}") from None
            except EngineBroke as broke:
                retry = held.spec.terms.service.retry
                # One taken away on purpose is not asked for again: that would undo the operator's unload.
                on_purpose = held.revoked is not None and held.revoked.cause is not Cause.SICK
                if on_purpose or not broke.unheard or not client.turn.again:
                    raise self._died(held, str(broke)) from None
                tries += 1
                await asyncio.sleep(pause(retry, tries))
                if broke.deaf:  # and has not ended meanwhile: the desk drops news of what has
                    self._gate.post(EngineSick(held.run, f"nobody listens at {held.endpoint} any more"))

    def _reason(self, lease: Lease) -> str:
        """What it waited for last: others that had the engine, its load, or before that the room for it."""
        if lease.queued < NOTHING:
            return ""
        if not lease.loaded:
            return "busy"
        view = self._gate.view()
        model = view.models.get(lease.spec.name)
        engine = model.engine if model is not None else None
        since_ready = view.now - engine.since if engine is not None and engine.run == lease.run else 0.0
        if since_ready >= NOTHING:
            return "busy"
        return "swap" if lease.queued - lease.loaded - since_ready >= NOTHING else "load"

    def _problem(self, refusal: Refusal) -> Problem:
        """A refusal of one that waited also says for what, and when it may be worth coming back."""
        problem = of_refusal(refusal)
        view = self._gate.view()
        if refusal.reason not in (Reason.QUEUE_FULL, Reason.QUEUE_TIMEOUT) or refusal.model not in view.models:
            return problem
        found = explain.of(view, refusal.model)
        if found.stand is not None:
            problem.message += f"; {refusal.model} {explain.words(found)}"
        first = next((waiter.eta for waiter in found.outlook.queue), found.outlook.ready)
        if first is not None:
            problem.headers["Retry-After"] = str(min(max(1, math.ceil(first)), LONGEST_PAUSE))
        return problem

    def _with_last_lines(self, refusal: Refusal) -> Refusal:
        """A start that was given up has no exit yet; what the engine wrote so far says most about why."""
        end = refusal.exit or Exit(reason="it is being stopped")
        if refusal.reason not in (Reason.START_TIMEOUT, Reason.START_FAILED) or end.log:
            return refusal
        lines = self._engines.logs(refusal.model).tail(LAST_LINES)
        ours = f"--- {refusal.model}#"
        model = self._gate.view().models.get(refusal.model)
        if model is not None and model.spec.remote:  # all lines are ours; the last one says what it answered last
            said = lines[-1].removeprefix(ours).partition(": ")[2] if lines else ""
            return replace(refusal, exit=refusal.exit or Exit(reason=said or "it is let go"))
        # What is said of a run is its command line, with whatever key.
        lines = [line for line in lines if not line.startswith(ours)]
        return replace(refusal, exit=replace(end, log=tuple(lines)))

    def _died(self, lease: Lease, why: str) -> Problem:
        """The run's own end says more than the broken socket, where it is known already."""
        told = broken_off(lease, why)
        model = self._gate.view().models.get(lease.spec.name)
        failure = model.failure if model is not None and told.reason is Reason.ENGINE_DIED else None
        if failure is not None and failure.run == lease.run:
            told = replace(told, exit=failure.exit, detail="died")
        return of_refusal(told)


def pause(retry: Retry, tries: int) -> float:
    """Seconds before the try after so many: twice as long each time, and never the same for two who wait."""
    return min(retry.backoff * 2.0 ** (tries - 1), LONGEST_BACKOFF) * random.uniform(1 - JITTER, 1 + JITTER)
