"""Whom ``swapd bench`` asks, from the words of the call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from swapd.cli.failure import BadConfig, Failed
from swapd.cli.target import find_target
from swapd.core.text import one_line
from swapd.loadtest.asking import models
from swapd.loadtest.outcome import Trouble
from swapd.loadtest.side import Side

NAMES = "ABCDEFGH"
"""Of the sides."""
MOST_SHOWN = 20
"""Models that an error lists."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The call's words for it."""

    url: str | None
    config: str | None
    model: Sequence[str]
    key: str | None
    compare: Sequence[str]
    compare_model: Sequence[str]
    compare_key: Sequence[str]


def asked_for(asked: Asked) -> list[Side]:
    """The sides; one without models is yet to be asked for its only one. Raises BadConfig."""
    others = len(asked.compare)
    if others >= len(NAMES):
        raise BadConfig(f"cannot compare {others + 1} servers: {len(NAMES)} are the most")
    if len(asked.compare_model) > others or len(asked.compare_key) > others:
        raise BadConfig("cannot tell whose --compare-model or --compare-key that is: give --compare for each")
    keys = [*asked.compare_key, *[None] * (others - len(asked.compare_key))]
    first = find_target(asked.config, asked.url, os.environ).url
    sides = [Side(NAMES[0], _url(first), tuple(asked.model), _key(asked.key))]
    for n, (url, key) in enumerate(zip(asked.compare, keys, strict=True)):
        model = tuple(asked.compare_model[n : n + 1]) or tuple(asked.model)
        sides.append(Side(NAMES[n + 1], _url(url), model, _key(key)))
    return sides


async def named(sides: list[Side]) -> list[Side]:
    """The sides, each with its models. Raises Failed if a server has not just the one."""
    return [side if side.models else replace(side, models=(await _only(side),)) for side in sides]


async def _only(side: Side) -> str:
    try:
        found = await models(side)
    except Trouble as trouble:
        raise _unknown(side, trouble) from None
    if len(found) != 1:
        shown = ", ".join(one_line(name)[:80] for name in found[:MOST_SHOWN])
        more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        has = f"it has {shown}{more}" if found else "it has none"
        raise Failed(f"cannot tell which model to ask {side.shown} for: {has}; name one with --model")
    return found[0]


def _unknown(side: Side, trouble: Trouble) -> Failed:
    what = f"{trouble.kind}: {trouble.detail}" if trouble.detail else trouble.kind
    return Failed(f"cannot ask {side.shown} for its models: {what}; is it running? --model names one")


def _url(url: str) -> str:
    """With a scheme. Raises BadConfig if nobody can be asked there."""
    if url.startswith("unix:"):
        return url
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full)
        whole = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
        if parts.scheme in ("http", "https") and whole:
            return full
    except ValueError:
        pass
    raise BadConfig(f"cannot ask '{one_line(url)}': that is no base URL; write it like http://host:port")


def _key(key: str | None) -> str | None:
    """Raises BadConfig, without the key in it, if no header can carry it."""
    if key and not key.isprintable():
        raise BadConfig("cannot send the key: it has a line break or another control character in it")
    return key or None
