"""All rooms, built and introduced to each other: what a daemon has, apart from how it lives."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from swapd import threads
from swapd.config import Loaded
from swapd.core.engine import RunId, State
from swapd.core.events import CatalogChanged, Event, PinWished
from swapd.core.scheduler import Scheduler
from swapd.core.shared import SharedStory
from swapd.core.spec import Cost
from swapd.core.view import View
from swapd.dispatch import Dispatcher, Ear
from swapd.engines import inherited
from swapd.engines.binaries import find_binary
from swapd.engines.furnished import furnished
from swapd.engines.house import enter
from swapd.engines.leader import expect_children
from swapd.engines.supervisor import Supervisor
from swapd.engines.survivors import look
from swapd.handover import Handover
from swapd.history.history import History
from swapd.history.keeper import Keeper
from swapd.journal import Journal, wall_clock
from swapd.machine.ledger import Ledger
from swapd.machine.presence import Presence
from swapd.machine.scales import Scales
from swapd.metering import Metering
from swapd.metrics.scrape import Metrics
from swapd.reload import Current
from swapd.web.events import Feed
from swapd.web.upstream import Upstream

log = logging.getLogger("swapd")


class Rooms:
    """``loaded`` is a config without problems; ``handed``: what an earlier life of the daemon has left."""

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        loaded: Loaded,
        handed: Handover | None,
        ears: Sequence[Ear],
    ) -> None:
        """``ears`` hear the desk besides those that are built in. Waits while a reaper has the state folder."""
        self._environ = environ
        self._handed = handed
        story = SharedStory()
        self.feed = Feed(wall_clock, story=story)
        staying = _staying(loaded, handed)
        self.config = Current(path, environ, staying, self._find_binary, self._post, self.feed.tell)
        state = Path(self.config.settings.state_dir)
        self._house = enter(state, handed.lock if handed else None)
        self.upstream = Upstream()
        self.supervisor = self._engine_room()
        self.history = History(wall_clock, story, self._standing)
        self.keeper = Keeper(self.history, self.state)
        self._close_trace: Callable[[], None] = _nothing
        self._scales = Scales(self._post, self.supervisor, Ledger.open(state, log.warning), self._find_binary)
        self._metering = Metering(self._scales, environ, self._find_binary, self._measured)
        self.metrics = Metrics(self._view, self.config, story)
        heard = [
            Journal(story).hear,
            self.feed.hear,
            self.history.hear,
            self.metrics.hear,
            self.upstream.hear,
            self._scales.hear,
            *ears,
            *self._record(),
        ]
        look = Presence(environ, self._find_binary).look
        self.desk = Dispatcher(Scheduler(jitter=random.random), self.supervisor, heard, look)
        self._begun = False

    async def begin(self) -> None:
        """The desk is told what there is, before anybody is let in: the models, and engines that live already."""
        if self._handed:
            self._metering.go_on(self._handed.total)
        else:
            await self._metering.begin()
        await self.keeper.bring()
        survivors = await threads.run(look, self._house, self._environ)
        found = self.supervisor.found(survivors, self.config.catalog)
        if self._handed:
            inherited.mind({survivor.entry.identity.pid for survivor in survivors})
        self._begun = True
        self.desk.post(CatalogChanged(self.config.catalog, found))
        for name, pinned in (self._handed.pins if self._handed else {}).items():
            spec = self.config.catalog.models.get(name)
            if spec is not None and spec.terms.stay.pinned is not pinned:
                self.desk.post(PinWished(name, pinned))

    @property
    def lasting(self) -> bool:
        """Whether the engines would outlive this process: their record is ours alone."""
        return self._house.lock is not None

    @property
    def state(self) -> Path | None:
        """The state folder, if it is ours."""
        return self._house.folder if self.lasting else None

    async def save(self) -> None:
        """What was learned, and what happened."""
        await asyncio.gather(self._scales.save(), self.keeper.save())

    def leave_behind(self) -> Handover:
        """For the next life of this process, which adds what it listens on. Blocks for some ms."""
        self.keeper.save_at_once()
        watchdog = self.supervisor.leave_behind()
        self._close_trace()
        total, settings = dict(self.config.total), self.config.settings
        models = self.desk.view().models.items()
        pins = {name: model.pinned for name, model in models if model.pinned is not model.spec.terms.stay.pinned}
        return Handover(
            0,
            (),
            lock=self._house.lock,
            watchdog=watchdog,
            total=total,
            state=settings.state_dir,
            listen=settings.listen,
            pins=pins,
        )

    async def close(self) -> None:
        """No engine outlives us. The front hall is closed already."""
        self._metering.cancel()
        self.upstream.close()
        await self.supervisor.aclose()
        await asyncio.gather(self._scales.aclose(), self.keeper.save())
        self.desk.close()
        await threads.run(self._close_trace)
        self.leave()

    def leave(self) -> None:
        """The state folder is anybody's."""
        self._house.leave()

    def _engine_room(self) -> Supervisor:
        expect_children()
        return furnished(
            self._post,
            find_binary=self._find_binary,
            environ=self._environ,
            house=self._house,
            adoption=self.config.settings.adoption,
            front=self.upstream,
            watched=self._handed.watchdog if self._handed else None,
        )

    def _post(self, event: Event) -> None:
        """The desk, the hands and the config need each other: whoever posts finds the desk when it does."""
        self.desk.post(event)

    def _view(self) -> View:
        """The desk's, once there is one."""
        return self.desk.view()

    def _standing(self) -> Sequence[tuple[RunId, State]]:
        """The engines there are."""
        return self.desk.standing()

    def _record(self) -> list[Ear]:
        """The trace, where the config wants one."""
        if (path := self.config.settings.trace) is None:
            return []
        from swapd.lab.recorder import Recorder  # noqa: PLC0415  (the lab is spared where nobody asks for it)

        recorder = Recorder(path, asyncio.get_running_loop().time)
        self._close_trace = recorder.close
        return [recorder.hear]

    def _find_binary(self) -> str | None:
        """Looked for anew each time: one may be installed while we run."""
        return find_binary(self._environ)

    def _measured(self, total: Cost) -> None:
        """The machine has so many bytes of each memory."""
        if self.config.measured(total) and self._begun:
            self.desk.post(CatalogChanged(self.config.catalog))


def _staying(loaded: Loaded, handed: Handover | None) -> Loaded:
    """With the sockets and the state folder in force: its lock, and the record of the engines, are there."""
    if handed is None or (settings := loaded.settings) is None:
        return loaded
    if settings.state_dir != handed.state:
        log.warning("config: state_dir takes effect when swapd is restarted; %s stays", handed.state)
        settings = replace(settings, state_dir=handed.state)
    if handed.listen and settings.listen != handed.listen:
        stays = ", ".join(str(address) for address in handed.listen)
        log.warning("config: listen takes effect when swapd is restarted; %s stays", stays)
        settings = replace(settings, listen=handed.listen)
    return replace(loaded, settings=settings)


def _nothing() -> None:
    """No trace is kept."""
