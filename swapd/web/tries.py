"""Wrong keys are counted by address: who guesses is made to wait, long before a key could be found."""

from __future__ import annotations

import ipaddress
import math
import secrets
from collections.abc import Callable
from hashlib import blake2b

from swapd.web.errors import RATE_LIMITED, Problem

MOST, WITHIN = 10, 60.0
"""So many wrong keys within so many seconds; then no key of that address is looked at for a while."""
ADDRESSES = 4096
"""That are remembered at most; of more, those that tried first are forgotten."""


class Tries:
    """``clock``: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._salt = secrets.token_bytes(16)
        self._wrong: dict[str, list[tuple[float, bytes]]] = {}
        """By address, the last one to fail last: when, and a digest of what was offered."""

    def check(self, address: str) -> None:
        """Raises Problem (429) where too many keys from there were wrong."""
        tries = self._recent(_block(address))
        if len(tries) >= MOST:
            wait = max(1, math.ceil(tries[-MOST][0] + WITHIN - self._clock()))
            text = f"cannot let you in: {MOST} wrong keys came from there within a minute; try again in {wait} s"
            raise Problem(RATE_LIMITED, text, headers={"Retry-After": str(wait)})

    def wrong(self, address: str, keys: tuple[bytes, ...], *, again: bool = True) -> None:
        """These keys were. Not ``again``: what was counted already is not, for programs that never learn."""
        block, digest = _block(address), blake2b(b"\0".join(keys), key=self._salt, digest_size=8).digest()
        tries = self._recent(block)
        if not again and any(known == digest for _, known in tries):
            return
        self._wrong.pop(block, None)
        while len(self._wrong) >= ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong[block] = [*tries[-MOST:], (self._clock(), digest)]

    def _recent(self, block: str) -> list[tuple[float, bytes]]:
        since = self._clock() - WITHIN
        return [(at, digest) for at, digest in self._wrong.get(block, ()) if at > since]


def _block(address: str) -> str:
    """What one sender has: of IPv6 a whole network of 64 bits."""
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))
