"""The counters of one daemon, and what Prometheus gets when it asks for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from swapd import threads
from swapd.core.answered import Answered
from swapd.core.commands import Command
from swapd.core.events import Event
from swapd.core.told import Story
from swapd.core.view import View
from swapd.metrics.families import OTHER, Family, labels_of
from swapd.metrics.happenings import Happenings
from swapd.metrics.now import Current, Picture, look
from swapd.metrics.pages import Ask, Pages
from swapd.metrics.requests import UNKNOWN, Requests
from swapd.metrics.table import BY_NAME

KEPT = 3600.0
"""Seconds for which a model's counters are kept after it was first found gone from the config."""


class Metrics:
    """An ear of the desk (``hear``) and of the requests log (``answered``)."""

    def __init__(self, view: Callable[[], View], config: Current, story: Story | None = None) -> None:
        """``story``: one that it shares with other ears of the desk."""
        self._view = view
        self._config = config
        self._born = time.monotonic()
        self._requests, self._happenings = Requests(config), Happenings(story=story)
        self._pages = Pages()
        self._gone: dict[str, float] = {}
        self._turn = asyncio.Lock()

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """Of the desk."""
        self._happenings.hear(event, commands)

    def answered(self, rows: Sequence[Answered]) -> None:
        """Of the requests log."""
        self._requests.hear(rows)
        self._happenings.answered(rows)

    async def scrape(self, ask: Ask, connections: int, accept: str, *, packed: bool) -> tuple[bytes, str]:
        """The page and its content type. ``ask``: for an engine's own; ``connections``: of clients, now.

        One at a time. What takes long is done in a thread, on a copy.
        """
        async with self._turn:
            pages = await self._pages.of(self._view(), ask)
            self._forget(time.monotonic())
            counted = {name: family.copy() for name, family in self._families.items()}
            picture = look(self._view(), self._config, connections, self._born)
            return await threads.run(lambda: _worded(counted, picture, pages, accept, packed))

    @property
    def _families(self) -> Mapping[str, Family]:
        return {**self._requests.families, **self._happenings.families}

    def _forget(self, now: float) -> None:
        """Models that have been gone from the config for KEPT."""
        catalog = self._config.catalog
        families = [family for name, family in self._families.items() if BY_NAME[name].labels[:1] == ("model",)]
        gone = labels_of(families) - catalog.models.keys() - catalog.pools.keys() - {"", UNKNOWN, OTHER}
        self._gone = {name: self._gone.get(name, now) for name in gone}
        old = {name for name, since in self._gone.items() if now - since >= KEPT}
        for family in families if old else ():
            family.keep(lambda labels: labels[0] not in old)


def _worded(
    counted: Mapping[str, Mapping[tuple[str, ...], float | Sequence[float]]],
    picture: Picture,
    pages: Mapping[str, bytes | None],
    accept: str,
    packed: bool,
) -> tuple[bytes, str]:
    from swapd.metrics.worded import Scrape, worded  # noqa: PLC0415  (25 ms and 1 MiB that who never asks spares)

    return worded(Scrape(counted, picture, pages), accept, packed=packed)
