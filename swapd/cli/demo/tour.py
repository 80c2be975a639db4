"""The demo's tour: a streamed chat with each model in turn, and the times that the swaps took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from swapd import tasks
from swapd.cli.client import message_of
from swapd.cli.failure import Failed

GLANCE = 0.1
"""Seconds between looks at the status while a model is waited for."""
MOST_TOKENS = 64


@dataclass(slots=True)
class Times:
    """What the daemon says it waited and loaded (ms), and what we saw (s)."""

    queued: int = 0
    load: int = 0
    first: float = 0.0
    total: float = 0.0
    tokens: int = 0


@dataclass(slots=True)
class Leg:
    """One chat of the tour, as far as it has come."""

    model: str
    question: str
    phase: str = "asking"
    text: str = ""
    times: Times = field(default_factory=Times)
    began: float = field(default_factory=time.monotonic)
    told: Callable[[], None] = lambda: None
    """Called when the phase has changed."""

    def enter(self, phase: str) -> None:
        """The leg is in another phase now."""
        if phase != self.phase:
            self.phase = phase
            self.told()

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began


async def walk(http: aiohttp.ClientSession, leg: Leg) -> None:
    """Have the chat. ``http`` has the daemon's URL as its base. Raises Failed with the cause."""
    glances = tasks.spawn(_glance(http, leg), name=f"glance at {leg.model}")
    try:
        await _chat(http, leg, glances)
    except (aiohttp.ClientError, msgspec.DecodeError) as error:
        raise _failed(leg, str(error) or type(error).__name__) from None
    finally:
        glances.cancel()
    leg.times.total = leg.elapsed
    leg.enter("done")


async def _chat(http: aiohttp.ClientSession, leg: Leg, glances: asyncio.Task[None]) -> None:
    body = {
        "model": leg.model,
        "messages": [{"role": "user", "content": leg.question}],
        "max_tokens": MOST_TOKENS,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    async with http.post("/v1/chat/completions", json=body) as answer:
        glances.cancel()
        if answer.status != 200:
            text = await answer.read()
            raise _failed(leg, message_of(text) or f"HTTP {answer.status}")
        leg.times.queued = int(answer.headers["X-Swapd-Queued-Ms"])
        leg.times.load = int(answer.headers["X-Swapd-Load-Ms"])
        leg.enter("thinking")
        async for event in _events(answer, leg):
            _take(event, leg)


def _take(event: dict[str, Any], leg: Leg) -> None:
    """One event of the stream. Raises Failed if it tells of an error."""
    if "error" in event:
        raise _failed(leg, str(event["error"].get("message", event["error"])))
    for choice in event.get("choices", []):
        delta = choice.get("delta", {})
        piece = delta.get("content") or delta.get("reasoning_content") or ""
        if piece and not leg.text:
            leg.times.first = leg.elapsed
            leg.enter("speaking")
        leg.text += piece
    if usage := event.get("usage"):
        leg.times.tokens = usage["completion_tokens"]


async def _events(answer: aiohttp.ClientResponse, leg: Leg) -> AsyncIterator[dict[str, Any]]:
    """The JSON events of an SSE stream. Raises Failed if it ends without its ``[DONE]``."""
    async for line in answer.content:
        data = line.strip().removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or not data:
            continue
        if data == b"[DONE]":
            return
        yield msgspec.json.decode(data, type=dict[str, Any])
    raise _failed(leg, "its answer broke off")


async def _glance(http: aiohttp.ClientSession, leg: Leg) -> None:
    """Keep the leg's phase true while it waits, from what the daemon shows."""
    while True:
        async with http.get("/admin/status") as answer:
            states = {model["name"]: model["state"] for model in (await answer.json())["models"]}
        leaving = [name for name, state in states.items() if state in ("draining", "stopping", "killing")]
        if states[leg.model] == "starting":
            leg.enter("loading")
        elif leaving:
            leg.enter(f"waiting for {leaving[0]} to leave")
        await asyncio.sleep(GLANCE)


def _failed(leg: Leg, reason: str) -> Failed:
    return Failed(f"cannot finish the tour: {leg.model}: {reason}")
