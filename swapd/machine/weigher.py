"""Weighs every model of the catalog, one after the other in a thread, and tells the desk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from swapd import tasks, threads
from swapd.core.events import Event, Weighed
from swapd.core.need import RAM, Need, Source, is_memory
from swapd.core.spec import Catalog, Cost, Launch, Spec
from swapd.machine.needs import Devices, with_operator
from swapd.machine.weighing import BINARY, Weighing

log = logging.getLogger("swapd")
NEWS = 0.01
"""By what share a need must change before it is told again."""
PATIENCE = 5.0
"""Seconds for one model: its file may lie on a dead server, and the others wait."""


@dataclass(frozen=True, slots=True)
class Subject:
    """All that a need follows from beside what is learned: the launch, the operator's word, GPUs and budgets."""

    launch: Launch
    given: Cost
    devices: Devices


class Weigher:
    """One model at a time, those that somebody asked for first. Waits until ``begin``."""

    def __init__(self, post: Callable[[Event], None], weighing: Weighing) -> None:
        self._post = post
        self._weighing = weighing
        self._catalog = Catalog()
        self._blind: bool | None = None
        self._around: tuple[bool, Devices] | None = None
        self._needs: dict[str, tuple[Subject, Need]] = {}
        self._waiting: list[str] = []
        self._worker: asyncio.Task[None] | None = None

    def begin(self, blind: bool) -> None:
        """The GPUs in the budget are those that engines see. ``blind``: not the one of ``binary: auto``."""
        self._blind = blind
        self.look(self._catalog)

    def look(self, catalog: Catalog) -> None:
        """Weigh what is new in this catalog; nothing where it budgets no memory."""
        seen, self._catalog = self._catalog, catalog
        if self._blind is None:
            return
        budgeted = any(map(is_memory, catalog.budget))
        specs = {n: s for n, s in catalog.models.items() if not s.remote} if budgeted else {}
        self._needs = {name: known for name, known in self._needs.items() if name in specs}
        gpus = self._gpus()
        around = (self._blind, gpus)
        same = seen.models.keys() - set(self._waiting) if around == self._around else frozenset()
        self._around = around

        def settled(spec: Spec) -> bool:  # the loop waits for this, and most models are the very same
            unchanged = spec.name in same and seen.models[spec.name] is spec and spec.name in self._needs
            return unchanged or self._is_known(spec, gpus)

        self._waiting = [spec.name for spec in specs.values() if not settled(spec)]
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting and (self._worker is None or self._worker.done()):
            self._worker = tasks.spawn(self._work(), name="weigh models")

    def hurry(self, name: str) -> None:
        """Somebody waits for this model (or alias)."""
        if (found := self._catalog.resolve(name)) is None:
            return
        model = found[0].name
        if model in self._waiting:
            self._waiting.remove(model)
            self._waiting.insert(0, model)
        elif model in self._needs and self._needs[model][1].broken:  # its file may be whole by now
            self._waiting.insert(0, model)
            self._go_on()

    def need(self, model: str, launch: Launch) -> Need | None:
        """What was told last of the model, launched so."""
        found = self._needs.get(model)
        return found[1] if found is not None and found[0].launch == launch else None

    def knows(self, model: str, launch: Launch) -> bool:
        """Whether the catalog has the model, launched so."""
        spec = self._catalog.models.get(model)
        return spec is not None and spec.launch == launch

    def renew(self, key: str, model: str, launch: Launch) -> None:
        """More was learned of the launch with this key: tell it, if it is news."""
        spec = self._catalog.models.get(model)
        found = self._needs.get(model)
        if spec is None or spec.launch != launch or found is None:
            return
        subject = self._subject(spec, self._gpus())
        if (need := self._weighing.remembered(key, launch, subject.devices)) is not None:
            need = with_operator(need, spec.terms.cost)
            if _is_news(found[1], need):
                self._tell(model, subject, need)

    async def aclose(self) -> None:
        """Weigh no more."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        while self._waiting:
            model = self._waiting.pop(0)
            spec = self._catalog.models[model]
            subject, before = self._subject(spec, self._gpus()), self._needs.get(model)
            need = await self._weigh(spec, subject.devices)
            if self._needs.get(model) is before:  # else more was learned meanwhile
                self._tell(model, subject, need)

    async def _weigh(self, spec: Spec, devices: Devices) -> Need:
        try:
            async with asyncio.timeout(PATIENCE):
                return await threads.run(self._weighing.weigh, spec, devices)
        except TimeoutError:
            log.warning("cannot weigh %s: its file does not answer", spec.name)
            return with_operator(Need((), Source.UNKNOWN, "its file does not answer"), spec.terms.cost)

    def _tell(self, model: str, subject: Subject, need: Need) -> None:
        if model in self._catalog.models:
            self._needs[model] = (subject, need)
            self._post(Weighed(model, subject.launch, need))

    def _is_known(self, spec: Spec, gpus: Devices) -> bool:
        found = self._needs.get(spec.name)
        return found is not None and found[0] == self._subject(spec, gpus)

    def _gpus(self) -> Devices:
        return tuple((n, amount) for n, amount in self._catalog.budget.items() if is_memory(n) and n != RAM)

    def _subject(self, spec: Spec, gpus: Devices) -> Subject:
        blind = self._blind and spec.launch.argv[0] == BINARY
        return Subject(spec.launch, spec.terms.cost, () if blind else gpus)


def _is_news(before: Need, now: Need) -> bool:
    if before.source is not now.source or [w.devices for w in before.ways] != [w.devices for w in now.ways]:
        return True
    pairs = zip(before.ways, now.ways, strict=True)
    return any(_differ(old.cost.get(n, 0), amount) for old, new in pairs for n, amount in new.cost.items())


def _differ(before: int, now: int) -> bool:
    return abs(now - before) > NEWS * before
