"""Pools, virtual models: a request for one goes to the best of its models, or to the next that can be had.

Once an engine was held it may have been asked, and no other one is.
"""

from __future__ import annotations

from swapd.core.pools import choose
from swapd.core.refusal import Reason
from swapd.core.spec import Catalog, Pool
from swapd.web import ability
from swapd.web.client import Client
from swapd.web.errors import BY_REASON, UNSUPPORTED, Problem
from swapd.web.gate import Gate
from swapd.web.turns import Deliver, Turns
from swapd.web.upstream import Request

_ELSEWHERE = frozenset(
    BY_REASON[reason]
    for reason in (Reason.START_FAILED, Reason.START_TIMEOUT, Reason.UNAVAILABLE, Reason.NEVER_FITS)
)
"""How a model is refused for its own sake: another may do."""


async def take(gate: Gate, turns: Turns, pool: Pool, client: Client, deliver: Deliver) -> None:
    """Let a model of the pool answer; each that cannot be had is tried once. Raises Problem."""
    left = set(pool.models if deliver.able is None else deliver.able)
    while True:
        name = next((name for name in choose(gate.view(), pool) if name in left), min(left))
        left.discard(name)
        try:
            return await turns.take(client, name, deliver)
        except Problem as problem:
            if not left or client.turn.lease is not None or problem.form not in _ELSEWHERE:
                raise


def able(pool: Pool, catalog: Catalog, out: Request) -> frozenset[str]:
    """The models of the pool that can do what the request needs. Raises Problem (501) where none can."""
    missing = {name: ability.lacking(catalog.models[name], out) for name in pool.models}
    found = frozenset(name for name, lacks in missing.items() if lacks is None)
    if not found:
        text = f"cannot do {missing[pool.models[0]]} with pool '{pool.name}': none of its models can"
        raise Problem(UNSUPPORTED, f"{text}, as their engines, flags or 'capabilities' say", param="model")
    return found
