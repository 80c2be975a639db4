"""What engines say of themselves once they are up, and nobody could know before: context, sizes, kinds.

llama-server tells it in ``meta`` of its ``/v1/models`` (b10434: ``n_ctx`` is what one slot has), vLLM in
``max_model_len``. It holds for as long as the launch is the same, so it is kept when the engine goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from swapd import tasks
from swapd.core.engine import RunId, State
from swapd.core.spec import Launch, Spec, Timeouts
from swapd.core.view import ModelView
from swapd.web.upstream import EngineBroke, FirstByteLate, Upstream, get

NUMBERS = ("n_ctx", "n_ctx_train", "n_embd", "n_vocab", "n_params", "size", "vocab_type")
BOUNDS = Timeouts(connect=2.0, first_byte=5.0, idle=5.0)


class Learned:
    """By model. Never waited for by a list: what is not known yet, the next list has."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._known: dict[str, tuple[Launch, dict[str, Any]]] = {}
        self._asked: dict[str, tuple[RunId, asyncio.Task[None]]] = {}
        """Each run is asked once, and again if it did not answer."""

    def of(self, model: ModelView) -> Mapping[str, Any]:
        """What is known; its engine is asked, meanwhile, if it is up and was not yet."""
        if model.engine is not None and model.engine.state is State.READY:
            self._begin(model.engine.run, model.spec)
        launch, found = self._known.get(model.spec.name, (None, {}))
        return found if launch == model.spec.launch else {}

    async def when_asked(self, model: ModelView) -> Mapping[str, Any]:
        """The same, once an engine that is up has answered (BOUNDS)."""
        if model.engine is not None and model.engine.state is State.READY:
            await asyncio.shield(self._begin(model.engine.run, model.spec))
        return self.of(model)

    def _begin(self, run: RunId, spec: Spec) -> asyncio.Task[None]:
        known = self._asked.get(spec.name)
        if known is None or known[0] != run:
            known = run, tasks.spawn(self._ask(run, spec), name=f"ask {run} what it is")
            self._asked[spec.name] = known
        return known[1]

    async def _ask(self, run: RunId, spec: Spec) -> None:
        try:
            code, text = await self._upstream.page(run, get("/v1/models"), BOUNDS)
        except (EngineBroke, FirstByteLate):
            if self._asked[spec.name][0] == run:
                del self._asked[spec.name]
            return
        if code == 200 and (found := _read(text, (spec.name, spec.terms.service.upstream_model))):
            self._known[spec.name] = (spec.launch, found)


def _read(text: bytes, names: Sequence[str | None]) -> dict[str, Any]:
    """What a list says of the only model in it, or of the one with such a name; empty if nothing of use."""
    try:
        data = msgspec.json.decode(text)["data"]
        own = data if len(data) == 1 else [model for model in data if model["id"] in names]
        told = {"n_ctx": own[0].get("max_model_len")} | (own[0].get("meta") or {})
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError, AttributeError):
        return {}
    found = {key: told[key] for key in NUMBERS if isinstance(told.get(key), int)}
    return found | ({"ftype": told["ftype"]} if isinstance(told.get("ftype"), str) else {})
