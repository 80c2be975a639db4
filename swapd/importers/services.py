"""Services of a compose file that extend each other, put together.

As the Compose file reference has it ("extends"). A file that is extended from elsewhere is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapd.importers.sheet import mapping, text

_ADDED = {
    "ports",
    "expose",
    "volumes",
    "devices",
    "dns",
    "tmpfs",
    "env_file",
    "cap_add",
    "cap_drop",
    "extra_hosts",
}
"""Lists that a service adds to those of the one that it extends; all others take their place."""
MOST_LEVELS = 8


def extended(title: str, services: Mapping[str, Any], busy: tuple[str, ...] = ()) -> dict[str, Any]:
    """A service with all that the one it extends says, as far as that is in this file."""
    own = mapping(services.get(title))
    base = own.get("extends")
    name = text(mapping(base).get("service")) or text(base)
    if not name or mapping(base).get("file") or name in (*busy, title) or len(busy) > MOST_LEVELS:
        return own
    found = {**extended(name, services, (*busy, title))}
    for key, value in own.items():
        above = found.get(key)
        if isinstance(above, dict) and isinstance(value, dict):
            found[key] = {**above, **value}
        elif key in _ADDED and isinstance(above, list) and isinstance(value, list):
            found[key] = [*above, *value]
        elif key != "extends":
            found[key] = value
    return found
