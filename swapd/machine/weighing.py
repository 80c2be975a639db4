"""What one model needs, by the most trusted word there is.

In this order: the operator's ``needs``, what was learned, what the engine itself said in this life of the daemon,
the file's header; else it is not known.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, combinations, islice

from swapd.core.need import Need, Source, Way
from swapd.core.spec import Launch, Spec
from swapd.machine.asked import placing_of
from swapd.machine.fingerprint import fingerprint
from swapd.machine.ledger import Entry, Ledger, need_of
from swapd.machine.needs import Devices, learned, told, weigh, with_operator

log = logging.getLogger("swapd")
DEVICE = "${device}"
"""Stands in a command line whose GPUs the scheduler chooses (``device: auto``)."""
BINARY = "${binary}"
MOST_PLACES = 1024
"""Sets of GPUs for which the ledger is asked."""


class Weighing:
    """Methods that read files block: call them in a thread. ``find_binary``: what ``${binary}`` comes down to."""

    def __init__(self, ledger: Ledger, find_binary: Callable[[], str | None]) -> None:
        self._ledger = ledger
        self._find_binary = find_binary
        self._said: dict[str, Mapping[str, int]] = {}

    def key(self, launch: Launch) -> str:
        """The launch in the ledger. Asks the disk about its files."""
        first = launch.argv[0]
        binary = self._find_binary() if first == BINARY else shutil.which(first)
        return fingerprint(launch, binary)

    def weigh(self, spec: Spec, devices: Devices) -> Need:
        """All ways to place the model on GPUs with these budgets. Reads files; never raises."""
        try:
            need = self.remembered(self.key(spec.launch), spec.launch, devices) or weigh(
                spec.launch.argv, devices, DEVICE in spec.launch.argv
            )
        except OSError as error:
            need = Need((), Source.UNKNOWN, f"cannot weigh it: {error}")
        except Exception as error:  # whatever a file may hold: the model is not known, and the service goes on
            log.exception("cannot weigh %s", spec.name)
            need = Need((), Source.UNKNOWN, f"cannot weigh it: {error!r}; please report this")
        return with_operator(need, spec.terms.cost)

    def remembered(self, key: str, launch: Launch, devices: Devices) -> Need | None:
        """What was learned or said of the launch with this key; None if nothing was."""
        choose = DEVICE in launch.argv
        named = placing_of(launch.argv).devices or ()
        entry = self._recall(key, named, devices)
        if entry is not None:
            loads = entry.loads
            load = loads.cold if loads.warm is None else loads.warm
            need = learned(need_of(entry), devices, choose, load)
        elif key in self._said:
            need = told(self._said[key], devices, choose)
        else:
            return None
        ways = (self._own(key, way) if choose else Way(way.cost, named) for way in need.ways)
        return replace(need, ways=tuple(ways))

    def heard(self, key: str, memory: Mapping[str, int]) -> None:
        """The engine itself said what it took (bytes by resource), where no meter told."""
        self._said[key] = memory

    def _recall(self, key: str, named: tuple[str, ...], devices: Devices) -> Entry | None:
        """The entry of the fewest GPUs; then the one where the engine chose itself."""
        places = chain([named] if named else (), islice(_sets(devices), MOST_PLACES), [()])
        return next((entry for names in places if (entry := self._ledger.recall(key, names))), None)

    def _own(self, key: str, way: Way) -> Way:
        """What was seen on just these devices is better than what was seen on others of their kind."""
        entry = self._ledger.recall(key, way.devices) if way.devices else None
        return way if entry is None else Way(need_of(entry), way.devices)


def _sets(devices: Devices) -> Iterator[tuple[str, ...]]:
    names = [name for name, _ in devices]
    return chain.from_iterable(combinations(names, count) for count in range(1, len(names) + 1))
