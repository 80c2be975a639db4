"""Which model of a pool is to answer: the pool's members in the order in which they are to be tried.

Nothing is kept: the order is read anew from the picture of the book for each request.
"""

from __future__ import annotations

from swapd.core.engine import State
from swapd.core.spec import Pool
from swapd.core.view import ModelView, View

_FREE, _COMING, _BUSY, _COLD, _HOPELESS = range(5)
"""How a member stands: ready, with a slot to spare; starting, or about to; ready and full; down; not to be had."""
_WARM = {_FREE: 0, _BUSY: 1, _COMING: 2, _COLD: 3, _HOPELESS: 4}


def choose(view: View, pool: Pool) -> list[str]:
    """The members that there are, best first; of equals, the one that the pool names first.

    ``warm``: what is ready, then what is starting. ``first``: as the pool names them. ``spread``: the most free
    slots, those of a starting one too; then one that is down; when all are full, the shortest queue for its slots.
    Members that cannot be had now (they rest after failures, or never fit) come last in any case.
    """
    members = [view.models[name] for name in pool.models if name in view.models]
    rank = {"warm": _warm, "first": _first, "spread": _spread}[pool.choose]
    ranked = [(rank(model, _stand(view, model)), model.spec.name) for model in members]
    return [name for _, name in sorted(ranked, key=lambda each: each[0])]


def _warm(model: ModelView, stand: int) -> tuple[float, float]:
    return _WARM[stand], 0.0


def _first(model: ModelView, stand: int) -> tuple[float, float]:
    return float(stand == _HOPELESS), 0.0


def _spread(model: ModelView, stand: int) -> tuple[float, float]:
    free = _free(model)
    if stand == _FREE or (stand == _COMING and free > 0):
        return stand, -free
    if stand in (_COLD, _HOPELESS):
        return stand, 0.0
    return _COLD + 0.5, -free / model.spec.terms.concurrency


def _stand(view: View, model: ModelView) -> int:
    engine = model.engine
    state = engine.state if engine is not None else None
    if state is State.READY:
        return _FREE if _free(model) > 0 else _BUSY
    if state in (State.BACKOFF, State.FAILED) or view.never_fits(model.spec.name) is not None:
        return _HOPELESS
    return _COMING if state is State.STARTING or model.waiting else _COLD


def _free(model: ModelView) -> int:
    """Slots that nobody holds and nobody waits for; below 0, so many wait for one."""
    leases = model.engine.leases if model.engine is not None else 0
    return model.spec.terms.concurrency - leases - model.waiting
