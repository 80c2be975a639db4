"""Who asks, by the keys that the config gives to clients; what they may ask for, and how much.

Without ``clients`` in the config everybody who can connect is let in, and is told apart by address.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b

from aiohttp import web

from swapd.core.refusal import Reason, Refusal
from swapd.core.settings import ClientKey, Settings
from swapd.core.spec import Catalog, Pool
from swapd.web.errors import INVALID_KEY, NOT_THEIRS, Problem, of_refusal
from swapd.web.headers import offered
from swapd.web.manners import MANNERS
from swapd.web.quota import Quotas

EVERY = "*"
"""The pattern of a client that may use all models."""


def may_use(client: ClientKey | None, *names: str) -> bool:
    """Whether it is for the client, under one of its names."""
    if client is None or EVERY in client.models:
        return True
    return any(fnmatchcase(name, pattern) for pattern in client.models for name in names)


def may_use_pool(client: ClientKey | None, pool: Pool) -> bool:
    """Whether a pool is for the client: by its own name, or because each of its models is."""
    return may_use(client, pool.name) or all(may_use(client, name) for name in pool.models)


def _not_theirs(client: ClientKey, name: str) -> Problem:
    text = f"client '{client.name}' has no right to it; its 'models' in the config say which it may use"
    return Problem(NOT_THEIRS, f"cannot use model '{name}': {text}", param="model")


class Guard:
    """Knows the clients of the config in force. ``settings``, ``catalog``: as they are now."""

    def __init__(self, settings: Callable[[], Settings], catalog: Callable[[], Catalog]) -> None:
        self._settings = settings
        self._catalog = catalog
        self._ring = _Ring(())
        self._quotas = Quotas(time.monotonic)

    def of(self, request: web.Request) -> ClientKey | None:
        """The same by what a request's headers offer. Where no key is needed, no foreign page may come. (403)"""
        found, manners = self.who(offered(request.raw_headers)), request.app[MANNERS]
        if found is None:
            manners.check_page(request)
        else:
            manners.of(request).sender = found.name
        return found

    def who(self, keys: Sequence[bytes]) -> ClientKey | None:
        """Whose key is among these; None where the config has no clients. Raises Problem (401)."""
        clients = self._settings().clients
        if clients is None:
            return None
        if self._ring.clients is not clients:  # each reload makes them anew
            self._quotas.forget(
                {client.name for client in self._ring.clients} - {client.name for client in clients}
            )
            self._ring = _Ring(clients)
        found = self._ring.owner(keys)
        if found is None:
            text = "no or wrong key; send the key of one of the config's clients as a Bearer token or as x-api-key"
            headers = {"WWW-Authenticate": "Bearer"}
            raise Problem(INVALID_KEY, f"cannot let you in: {text}", headers=headers)
        return found

    @contextlib.contextmanager
    def counted(self, client: ClientKey | None, tokens: Callable[[], int] = int) -> Iterator[None]:
        """A request of the client, within what it may ask for, that takes ``tokens``. Raises Problem (429)."""
        if client is None:
            yield
            return
        self._quotas.enter(client)
        try:
            yield
        finally:
            self._quotas.leave(client, tokens())

    def check(self, client: ClientKey | None, name: str) -> None:
        """Whether the client may use the model that it asks for by ``name``. Raises Problem (403, 404).

        A name that there is not gets no hint at those of models that are not the client's.
        """
        if client is None or EVERY in client.models:
            return
        catalog = self._catalog()
        if (pool := catalog.pool(name)) is not None:
            if not may_use_pool(client, pool):
                raise _not_theirs(client, name)
            return
        resolved = catalog.resolve(name)
        if resolved is None:
            raise of_refusal(Refusal(Reason.UNKNOWN_MODEL, name, detail="; GET /v1/models lists what there is"))
        spec, alias = resolved
        if not may_use(client, alias.name if alias is not None else spec.name, spec.name):
            raise _not_theirs(client, name)


class _Ring:
    """Clients by their keys. Found by a digest that nobody can foretell, then compared in constant time."""

    def __init__(self, clients: tuple[ClientKey, ...]) -> None:
        self.clients = clients
        self._salt = secrets.token_bytes(16)
        self._known = {self._digest(key): (key, client) for client in clients for key in [client.key.encode()]}

    def owner(self, keys: Iterable[bytes]) -> ClientKey | None:
        for key in keys:
            known, client = self._known.get(self._digest(key), (b"", None))
            if client is not None and hmac.compare_digest(known, key):
                return client
        return None

    def _digest(self, key: bytes) -> bytes:
        return blake2b(key, key=self._salt, digest_size=16).digest()
