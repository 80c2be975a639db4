"""Pools in the lists: an entry each, of what is true of all its models, and the state of the best of them."""

from __future__ import annotations

from typing import Any

from swapd.core.settings import ClientKey
from swapd.core.spec import Catalog, Pool
from swapd.core.view import View
from swapd.web.entries import CREATED, LOADED, LOADING, UNLOADED, entry
from swapd.web.guard import may_use_pool
from swapd.web.learned import Learned

BEST = (LOADED, LOADING, UNLOADED)
"""The states of its models, the one that is told of it first."""


def theirs(catalog: Catalog, who: ClientKey | None) -> list[Pool]:
    """The pools that are for the client."""
    return [pool for pool in catalog.pools.values() if may_use_pool(who, pool)]


def pool_entry(pool: Pool, view: View, learned: Learned) -> dict[str, Any]:
    """The pool as lists show it: the least context of its models, and what all of them can."""
    models = [view.models[name] for name in pool.models if name in view.models]
    entries = [entry(model.spec.name, model, learned.of(model), None) for model in models]
    states = [each["status"] for each in entries]
    found = {
        "id": pool.name,
        "object": "model",
        "created": CREATED,
        "owned_by": "swapd",
        "aliases": [],
        "tags": [],
        "status": min(states, key=lambda each: BEST.index(each["value"]), default={"value": UNLOADED}),
        "capabilities": _common([each["capabilities"] for each in entries]),
        "architecture": {
            "input_modalities": _common([each["architecture"]["input_modalities"] for each in entries]),
            "output_modalities": ["text"],
        },
    }
    contexts = [each["context_length"] for each in entries if "context_length" in each]
    if contexts:
        least = min(contexts)
        found |= {"context_length": least, "max_model_len": least, "meta": {"n_ctx": least}}
    return found


def _common(lists: list[list[str]]) -> list[str]:
    """What is in all of them, in the order of the first."""
    return [word for word in (lists[0] if lists else []) if all(word in each for each in lists)]
