"""How few loads would do at best: a bound below which no policy can get, however clever or clairvoyant."""

from __future__ import annotations

import math
from collections.abc import Sequence


def window_bound(requests: Sequence[tuple[float, str]], wait: float, fits: int = 1) -> int:
    """The least loads that can serve ``requests`` (arrival second, model) when none waits above ``wait`` seconds.

    ``fits`` is the most models that can ever be up at once; at the start none is. Raises ValueError for a
    negative wait or ``fits`` below 1. O(requests × models) after a sort.

    Why it holds. Put all that happens into one sequence (loads may take no time, so several things can share an
    instant) and look at a closed window [s, e]. A request whose whole interval [a, a + wait] lies inside finds
    its model up at some moment of the window. When the first thing of the window happens at most ``fits`` models
    are up, so of ``d`` distinct models asked for this way at least ``d - fits`` finish a load in it. Windows
    that share no instant, not even a border, share no load either: what they need adds up. (At a common border
    one load could serve both sides, and would be counted twice.) What is up when the first window opens was
    loaded before, from nothing: so everything until the first window's end needs ``d`` loads, none forgiven,
    and that window may begin with time itself.

    The best windows, by dynamic programming over the requests by arrival: ``best[j]`` is the most that can be
    shown with windows that end by the end of request j's interval. A last window that ends right there and
    spans ``d`` models had best open as late as it can, at the oldest of the ``d`` models' latest requests: so
    only one opening for each number of models needs a look.
    """
    if wait < 0 or fits < 1:
        raise ValueError(f"cannot bound the loads: wait is {wait}, fits is {fits}; they are at least 0 and 1")
    ordered = sorted(requests)
    ends = [math.nextafter(arrival + wait, math.inf) for arrival, _ in ordered]  # a sum rounded down is too short
    best: list[int] = []
    latest: dict[str, int] = {}  # model -> what is shown before its latest request came, the oldest first
    over = 0  # so many intervals ended before this arrival
    for number, (arrival, model) in enumerate(ordered):
        while over < number and ends[over] < arrival:
            over += 1
        latest.pop(model, None)
        latest[model] = best[over - 1] if over else 0
        best.append(max(best[-1] if best else 0, len(latest), _with_a_last(latest, fits)))
    return best[-1] if best else 0


def _with_a_last(latest: dict[str, int], fits: int) -> int:
    """The most that is shown with a last window that forgives ``fits`` models, and what comes before it."""
    spans = enumerate(reversed(latest.values()), 1)
    return max(before + models - fits for models, before in spans)
