"""How long the proxy waits for an engine: for every request, and for some kinds of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from swapd.config import schema
from swapd.core.spec import Timeouts


def timeouts(keys: schema.Timeouts) -> Timeouts:
    """Those that hold for all."""
    return Timeouts(keys.connect, keys.first_byte, keys.idle, keys.total)


def routes(keys: schema.Timeouts) -> Mapping[str, Timeouts]:
    """Those of the kinds that have some of their own, by ability; what they leave out is as for all."""
    common = timeouts(keys)
    told = ((name, _said(getattr(keys.routes, name))) for name in schema.Routes.__struct_fields__)
    return {name: replace(common, **said) for name, said in told if said}


def _said(keys: schema.RouteTimeouts) -> dict[str, float | None]:
    values = ((name, getattr(keys, name)) for name in schema.RouteTimeouts.__struct_fields__)
    return {name: value for name, value in values if value is not msgspec.UNSET}
