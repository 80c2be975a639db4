"""Where runs are made: what a launch leaves open is filled in, a place is found, a process begun or taken over."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from swapd.core.commands import Adopt, Spawn
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineReady, Event, Found
from swapd.core.spec import Catalog, Launch
from swapd.engines import cgroup, record
from swapd.engines.binaries import HOW_TO_GET_ONE
from swapd.engines.ground import Ground, Watchdog
from swapd.engines.leader import Leader
from swapd.engines.logs import Capture, LogBook
from swapd.engines.output import Output
from swapd.engines.places import Places
from swapd.engines.process import CannotStart, Process
from swapd.engines.recipe import Recipe, endpoint_of
from swapd.engines.record import Entry
from swapd.engines.register import Register
from swapd.engines.resolve import LOOPBACK, fill, share, threads
from swapd.engines.run import Run
from swapd.engines.survivors import Survivor

log = logging.getLogger("swapd")


class Workshop:
    """Keeps the record of what it made, for whoever comes after us. ``post`` hears what becomes of the runs."""

    def __init__(
        self,
        ground: Ground,
        places: Places,
        watchdog: Watchdog,
        find_binary: Callable[[], str | None],
        post: Callable[[Event], None],
    ) -> None:
        self._ground = ground
        self._places = places
        self._watchdog = watchdog
        self._find_binary = find_binary
        self._post = post
        self._register = Register(ground.house)
        self._survivors: dict[RunId, Survivor] = {}

    def found(self, survivors: Sequence[Survivor], catalog: Catalog) -> tuple[Found, ...]:
        """What the desk is told of them; each waits for its order. Before anything else is made."""
        for survivor in survivors:
            self._register.put(survivor.entry)
        self._register.begin()
        self._survivors = {survivor.entry.run: survivor for survivor in survivors}
        self._places.claim(*(endpoint_of(survivor.entry.values, "") for survivor in survivors))
        return tuple(_told(survivor.entry, catalog) for survivor in survivors)

    def begin(self, order: Spawn, book: LogBook) -> tuple[Run, Endpoint]:
        """A new one, and the place that it was given. Raises CannotStart, NoPort, NoSocket."""
        recipe = self._recipe(order, book)
        with ExitStack() as undo:
            undo.callback(self._places.give_back, recipe.endpoint)
            output = self._output(order)
            undo.callback(output.close)
            self._watchdog.begin()  # first: we may be killed in the next moment
            try:
                process = recipe.start_engine(output)
            except CannotStart:
                Capture(book, output).close()  # what was to be started is told all the same
                raise
            undo.pop_all()
        self._register.put(_entry(order, recipe, process))
        return Run(recipe, process, output, self._heard), recipe.endpoint

    def adopt(self, order: Adopt, book: LogBook) -> tuple[Run, Endpoint]:
        """One that lives already, and its place. Raises CannotStart if it was not found, or cannot be watched."""
        survivor = self._survivors.pop(order.run, None)
        if survivor is None:
            raise CannotStart(f"cannot take over {order.run}: it was not found")
        recipe = Recipe(order, survivor.entry.values, self._ground, book, survivor.entry.stop)
        self._watchdog.begin()
        try:
            process, output = self._taken_over(survivor, book)
        except (OSError, RuntimeError) as error:
            self.ended(order.run, recipe.endpoint)
            raise CannotStart(f"cannot take over {order.run}: {error}") from error
        run = Run(recipe, process, output, self._heard, known=survivor.entry.ready)
        return run, recipe.endpoint

    def leaving(self, run: RunId) -> None:
        """It was told to go."""
        self._register.leaving(run)

    def ended(self, run: RunId, where: Endpoint) -> None:
        """Nothing is left of it."""
        self._places.give_back(where)
        self._register.drop(run)

    def leave_behind(self) -> tuple[int, int] | None:
        """The record is complete; the watchdog's pid, and our end of its pipe. Blocks for a ms."""
        self._register.flush()
        return self._watchdog.held

    async def aclose(self) -> None:
        """Every engine is gone."""
        for survivor in self._survivors.values():  # nobody gave an order for them: the daemon did not get so far
            os.close(survivor.pidfd)
        await self._register.aclose()
        self._places.close()
        self._ground.outputs.close()
        self._watchdog.end()

    def _recipe(self, order: Spawn, book: LogBook) -> Recipe:
        """Raises CannotStart, NoPort, NoSocket."""
        cores = threads(order.launch.standing.cpus)
        values = {
            "host": LOOPBACK,
            "threads": str(share(cores, order.sharers)),
            "device": ",".join(order.way.devices),
        }
        if any("${binary}" in word for word in order.launch.argv):
            if (binary := self._find_binary()) is None:
                raise CannotStart(f"cannot find llama-server: {HOW_TO_GET_ONE}")
            values["binary"] = binary
        values |= self._places.take(order.launch)
        return Recipe(order, values, self._ground, book, order.stop)

    def _output(self, order: Spawn) -> Output:
        """Raises CannotStart."""
        try:
            return self._ground.outputs.open(order.run.model)
        except OSError as error:
            raise CannotStart(f"cannot keep what {order.run} would write: {error.strerror}") from error

    def _taken_over(self, survivor: Survivor, book: LogBook) -> tuple[Process, Output]:
        """Raises OSError, RuntimeError."""
        ident = survivor.entry.identity
        with ExitStack() as undo:
            undo.callback(Leader(ident.pid, survivor.pidfd).discard)  # else it lived on, unknown
            output = self._ground.outputs.reopen(survivor.entry.model, ident.pid)
            undo.callback(output.close)
            capture = Capture(book, output, from_start=True)
            undo.pop_all()
        try:
            return Process.adopted(ident, survivor.pidfd, capture, cgroup.around(ident.pid, ident.marker)), output
        except BaseException:
            output.close()
            raise

    def _heard(self, event: Event) -> None:
        """On its way to the desk."""
        if isinstance(event, EngineReady):
            self._register.ready(event.run)
        self._post(event)


def _told(entry: Entry, catalog: Catalog) -> Found:
    """What the desk is told of one: its launch is the catalog's if it was launched so, else nobody's."""
    spec = catalog.models.get(entry.model)
    same = spec is not None and record.digest(spec.launch) == entry.launch and not entry.leaving
    launch = spec.launch if spec is not None and same else Launch((entry.program,), health="")
    return Found(entry.run, launch, entry.way, entry.stop, entry.grace, entry.ready)


def _entry(order: Spawn, recipe: Recipe, process: Process) -> Entry:
    return Entry(
        order.run.model,
        order.run.n,
        process.identity,
        record.digest(order.launch),
        order.launch.argv[0],
        dict(recipe.values),
        order.way.devices,
        dict(order.way.cost),
        fill(order.stop, recipe.values),
        order.grace,
    )
