"""How much each client may ask for: requests and tokens within a sliding window, and requests at once.

A 429 carries ``Retry-After`` and the ``x-ratelimit-*`` headers, which mean what platform.openai.com's guide to
rate limits says: ``reset`` is the time until nothing counts any more, not until one request would pass (that
is ``Retry-After``).
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from swapd.core.settings import ClientKey, Window
from swapd.web.errors import RATE_LIMITED, Problem

BUSY_WAIT = 1.0
"""Seconds after which to try again when too many requests are under way: nobody knows when one ends."""
BUCKETS = 60
"""Into so many parts of its window a history of tokens is coalesced."""


class Quotas:
    """What every client has had, by its name: so a window that a reload changes finds the history there.

    It holds at most as many stamps of a client as its requests' window has room for, and some ``BUCKETS``
    sums of tokens. A window's amount is at least 1: the config sees to that.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._accounts: defaultdict[str, _Account] = defaultdict(_Account)

    def enter(self, client: ClientKey) -> None:
        """One more request of the client begins, and ``leave`` is owed.

        Raises Problem (429) where a limit of it is full: then nothing is counted and nothing owed. Tokens are
        known only when a request ends, so one that has reached its tokens refuses the next.
        """
        account = self._accounts[client.name]
        account.gone = False
        now = self._clock()
        requests, tokens = client.requests, client.tokens
        full = client.concurrency is not None and account.running >= client.concurrency
        if requests is not None and account.requests.had(requests, now) >= requests.amount:
            full = True
        if tokens is not None and account.tokens.had(tokens, now) >= tokens.amount:
            full = True
        if full:
            raise _refusal(client, account, now)
        account.running += 1
        if requests is not None:
            account.requests.add(now)

    def leave(self, client: ClientKey, tokens: int = 0) -> None:
        """A request of the client has ended and took so many tokens. Harmless where none is under way."""
        account = self._accounts.get(client.name)
        if account is None or account.running == 0:
            return
        account.running -= 1
        if client.tokens is not None and tokens > 0:
            account.tokens.add(self._clock(), tokens, client.tokens.seconds / BUCKETS)
        if account.gone and account.running == 0:
            del self._accounts[client.name]

    def forget(self, names: Iterable[str]) -> None:
        """The config has these clients no more; one with requests under way is forgotten when the last ends."""
        for name in names:
            account = self._accounts.get(name)
            if account is None:
                continue
            account.gone = True
            if account.running == 0:
                del self._accounts[name]


class _Requests:
    """When each request within the window began."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque()

    def add(self, now: float) -> None:
        self._begun.append(now)

    def had(self, window: Window, now: float) -> int:
        """How many count. Of more than the window's amount (a reload made it less) only the last can matter."""
        begun, horizon = self._begun, now - window.seconds
        while begun and (begun[0] <= horizon or len(begun) > window.amount):
            begun.popleft()
        return len(begun)

    def until_room(self, window: Window, now: float) -> float:
        """Seconds, for a window that is full."""
        return self._begun[0] + window.seconds - now

    def until_none(self, window: Window, now: float) -> float:
        """Seconds until nothing counts any more."""
        return self._begun[-1] + window.seconds - now if self._begun else 0.0


@dataclass(slots=True)
class _Bucket:
    """Tokens of requests that ended between two moments."""

    first: float
    last: float
    tokens: int


class _Tokens:
    """What finished requests took: it counts for the window and up to a bucket's width longer, never shorter."""

    def __init__(self) -> None:
        self._buckets: deque[_Bucket] = deque()
        self._sum = 0

    def add(self, now: float, tokens: int, width: float) -> None:
        self._sum += tokens
        newest = self._buckets[-1] if self._buckets else None
        if newest is not None and now - newest.first < width:
            newest.last = now
            newest.tokens += tokens
        else:
            self._buckets.append(_Bucket(now, now, tokens))

    def had(self, window: Window, now: float) -> int:
        """How many count."""
        buckets, horizon = self._buckets, now - window.seconds
        while buckets and buckets[0].last <= horizon:
            self._sum -= buckets.popleft().tokens
        return self._sum

    def until_room(self, window: Window, now: float) -> float:
        """Seconds; 0 where there is room."""
        left, end = self._sum, now
        for bucket in self._buckets:
            if left < window.amount:
                break
            left -= bucket.tokens
            end = bucket.last + window.seconds
        return end - now

    def until_none(self, window: Window, now: float) -> float:
        """Seconds until nothing counts any more."""
        return self._buckets[-1].last + window.seconds - now if self._buckets else 0.0


@dataclass(slots=True)
class _Account:
    """One client's."""

    running: int = 0
    gone: bool = False
    """From the config."""
    requests: _Requests = field(default_factory=_Requests)
    tokens: _Tokens = field(default_factory=_Tokens)


def _refusal(client: ClientKey, account: _Account, now: float) -> Problem:
    """Of several limits that are full, the one that stays so the longest is named."""
    waits: list[tuple[float, str]] = []
    headers: dict[str, str] = {}
    running = account.running
    if client.concurrency is not None and running >= client.concurrency:
        waits.append((BUSY_WAIT, f"has {running} {_plural('request', running)} under way (concurrency)"))
    rates: list[tuple[str, Window | None, _Requests | _Tokens]] = [
        ("request", client.requests, account.requests),
        ("token", client.tokens, account.tokens),
    ]
    for thing, window, history in rates:
        if window is None:
            continue
        had = history.had(window, now)
        headers |= _headers(f"{thing}s", window, had, history.until_none(window, now))
        if had >= window.amount:
            of = f" of {window.amount}" if had > window.amount else ""
            why = f"has had {had}{of} {_plural(thing, window.amount)} within {_span(window.seconds)} (rate)"
            waits.append((history.until_room(window, now), why))
    wait, why = max(waits)
    seconds = max(1, math.ceil(wait))  # rounding may leave nothing of a wait
    text = f"cannot take the request: client '{client.name}' {why}; try again in {seconds} s"
    return Problem(RATE_LIMITED, text, headers=headers | {"Retry-After": str(seconds)})


def _headers(things: str, window: Window, had: int, reset: float) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{things}": str(window.amount),
        f"x-ratelimit-remaining-{things}": str(max(0, window.amount - had)),
        f"x-ratelimit-reset-{things}": _as_go_writes(reset),
    }


def _plural(thing: str, n: int) -> str:
    return thing if n == 1 else f"{thing}s"


def _span(seconds: float) -> str:
    """``1 min``, ``24 h``, ``90 s``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _as_go_writes(seconds: float) -> str:
    """A duration, rounded up: ``250ms`` below a second, else ``12s``, ``1m30s``, ``1h0m5s``."""
    millis = math.ceil(seconds * 1000)
    if 0 < millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
