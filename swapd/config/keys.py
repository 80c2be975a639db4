"""Whom the config lets in: the key of the operator, and the clients with theirs.

No key is ever shown: what is wrong with one is told by its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

from swapd.config import units
from swapd.config.keyfile import KeyFiles
from swapd.config.pace import paced
from swapd.config.problems import Place, Problems, did_you_mean
from swapd.config.schema import Admin, Client
from swapd.config.sources import items
from swapd.config.tree import Entry, Map, Node, Scalar
from swapd.core.settings import ClientKey

_SOURCES = ("key", "key_file", "credential")
_WITHOUT_KEY = frozenset(Client.__struct_fields__) - set(_SOURCES)


class Keyring:
    """Finds the keys that ``top`` gives, each of which is one owner's."""

    def __init__(self, top: Map, files: KeyFiles, problems: Problems) -> None:
        self._top = top
        self._files = files
        self._problems = problems
        self._owners: dict[str, str] = {}

    def of_admin(self, admin: Admin) -> str | None:
        """The operator's key, if there is one. To be asked for first: no client may have it."""
        given = self._top.get("admin")
        if not isinstance(given, Map):
            return None
        self._check_one(given, "admin")
        key = admin.key
        if admin.key_file is not None:
            place, path = given.place_of("key_file"), "admin.key_file"
            key = self._usable(self._files.in_file(admin.key_file, place, path), place, path)
        if key is not None:
            self._owners[key] = "'admin.key'"
        return key

    def of_clients(self, clients: Mapping[str, Client]) -> tuple[ClientKey, ...] | None:
        """Whom the config lets in; None if it is everybody. Those whose key cannot be used are left out."""
        entry = self._top.entries.get("clients")
        if entry is None:
            return None
        given = entry.value
        if given.empty if isinstance(given, Scalar) else isinstance(given, Map) and not given.entries:
            self._problems.add(given.place, "clients", "names nobody: give one a key, or remove it")
        named = given.entries if isinstance(given, Map) else {}
        keys = {name: self._of_client(name, named[name], client) for name, client in clients.items()}
        return tuple(_client(name, key, clients[name]) for name, key in keys.items() if key is not None)

    def _of_client(self, name: str, entry: Entry, client: Client) -> str | None:
        """The client's key, None if there is none that can be used."""
        path, given = f"clients.{name}", entry.value
        if not name.strip() or not name.isprintable():
            message = f"{name!r} cannot be a client's name: give it one that can be printed"
            self._problems.add(entry.key.place, path, message)
        if _keyless(given):
            message = "has no key: give it 'key', 'key_file' or 'credential' (`swapd key` makes a key)"
            self._problems.add(entry.key.place, path, message)
        if not isinstance(given, Map):
            return None
        self._check_one(given, path)
        source = next((source for source in _SOURCES if source in given.entries), "")
        place, path = given.place_of(source), f"{path}.{source}"
        key = self._from(source, client, place, path)
        return None if key is None else self._own(key, name, place, path)

    def _check_one(self, given: Map, path: str) -> None:
        sources = [f"'{source}'" for source in _SOURCES if source in given.entries]
        if len(sources) > 1:
            self._problems.add(given.place, path, f"has both {' and '.join(sources)}: keep one of them")

    def _from(self, source: str, client: Client, place: Place, path: str) -> str | None:
        """The key from the one of ``_SOURCES``. What is not there, or cannot be used, was told or is told now."""
        if source == "key":
            return client.key
        key = None
        if source == "key_file" and client.key_file is not None:
            key = self._files.in_file(client.key_file, place, path)
        elif source == "credential" and client.credential is not None:
            key = self._files.credential(client.credential, place, path)
        return self._usable(key, place, path)

    def _usable(self, key: str | None, place: Place, path: str) -> str | None:
        """The key of a file, if a header can carry it; else that is told."""
        try:
            return None if key is None else units.secret(key)
        except ValueError as error:
            self._problems.add(place, path, f"the key in it {error}")
            return None

    def _own(self, key: str, name: str, place: Place, path: str) -> str:
        owner = self._owners.setdefault(key, f"'clients.{name}'")
        if owner != f"'clients.{name}'":
            self._problems.add(place, path, f"is the key of {owner} too: give each its own")
        return key


def _keyless(given: Node) -> bool:
    """A client without a word about its key. One with a key we do not know may have misspelt it, which is told."""
    if isinstance(given, Scalar):
        return given.empty
    return isinstance(given, Map) and given.entries.keys() <= _WITHOUT_KEY


def _client(name: str, key: str, client: Client) -> ClientKey:
    rate = client.rate
    return ClientKey(name, key, client.models, rate.requests, rate.tokens, client.concurrency)


def check_patterns(top: Map, clients: Mapping[str, Client], known: Collection[str], warnings: Problems) -> None:
    """Warn of what a client may use and nobody has: ``known`` are the names of models, aliases and pools."""
    given = top.get("clients")
    for name, client in clients.items():
        section = given.get(name) if isinstance(given, Map) else None
        written = list(items(section.get("models"))) if isinstance(section, Map) else []
        for pattern, node in paced(list(zip(client.models, written, strict=False))):
            if pattern != "*" and not any(fnmatchcase(one, pattern) for one in known):
                message = f"no model, alias or pool matches '{pattern}'{did_you_mean(pattern, known)}"
                warnings.add(node.place, f"clients.{name}.models", f"{message}: mend it, or remove it")
