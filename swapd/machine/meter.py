"""All meters of the machine as one, in the engine's own names for the devices."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from swapd.core.engine import RunId
from swapd.core.need import RAM, Gauge, Reading
from swapd.machine.drm import Drm
from swapd.machine.listing import Device, Listed
from swapd.machine.nvidia import open_nvidia
from swapd.machine.ram import Ram

__all__ = ["Device", "Meter", "open_meter"]

T = TypeVar("T")
ALIKE = 0.1
"""By what share the driver's total and the engine's may differ for the same card."""


class Source(Protocol):
    """One kind of meter. ``problems``: each is said once."""

    problems: list[str]

    def read(self, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        """What it sees now, under its own names."""

    def close(self) -> None:
        """Let go of drivers."""


class Gpus(Source, Protocol):
    """A meter of devices."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those found so far, under its own names."""


def open_meter(
    environ: Mapping[str, str], listing: Sequence[Listed] | None = None, root: Path = Path("/")
) -> Meter:
    """All meters that this machine has. ``environ``: what engines will see; ``listing``: what the engine said."""
    return Meter(Ram(root), (open_nvidia(environ), Drm(root)), listing or ())


class Meter:
    """All meters of the machine. Every method may block (a driver, /proc): call it in a thread."""

    def __init__(self, ram: Ram, gpus: Sequence[Gpus], listing: Sequence[Listed] = ()) -> None:
        self._ram = ram
        self._gpus = gpus
        self._listing = listing
        self._listing_is_fresh = True
        self._problems: list[str] = []
        self._note(*(problem for source in gpus for problem in source.problems))

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every GPU, under the name that the engine has for it; more may come where a driver starts late."""
        return (*self._read_ones().values(), *self._printed_ones())

    @property
    def problems(self) -> tuple[str, ...]:
        """What cannot be read, why, and what to do. Grows at its end only, and says each thing once."""
        return tuple(self._problems)

    @property
    def total(self) -> dict[str, int]:
        """Resource -> bytes."""
        return {RAM: self._ram.total} | {device.name: device.total for device in self.devices}

    def read(self, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        """One look at all meters. ``trees``: the pids of each living run. Never raises."""
        parts = [self._look(source, at, trees) for source in (self._ram, *self._gpus)]
        names = {RAM: RAM} | {own: device.name for own, device in self._read_ones().items()}
        gauges = self._printed()
        taken: dict[RunId, dict[str, int]] = {}
        for part in parts:
            gauges |= _renamed(part.gauges, names)
            for run, cost in part.taken.items():
                taken.setdefault(run, {}).update(_renamed(cost, names))
        lost = frozenset(names[own] for part in parts for own in part.lost if own in names)
        return Reading(at, {name: gauge for name, gauge in gauges.items() if name not in lost}, taken, lost)

    def close(self) -> None:
        """Let go of drivers."""
        for source in (self._ram, *self._gpus):
            source.close()

    def _look(self, source: Source, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        try:
            reading = source.read(at, trees)
        except OSError as error:
            self._note(f"cannot read the meter {type(source).__name__}: {error.strerror}; it is tried again")
            reading = Reading(at)
        except Exception as error:  # drivers fail in ways that nobody wrote down; the service goes on without
            self._note(f"cannot read the meter {type(source).__name__}: {error!r}; please report this")
            reading = Reading(at)
        self._note(*source.problems)
        return reading

    def _note(self, *problems: str) -> None:
        self._problems += [problem for problem in problems if problem not in self._problems]

    def _found(self) -> list[Device]:
        return [device for source in self._gpus for device in source.devices]

    def _read_ones(self) -> dict[str, Device]:
        """A meter's name for a device -> the device as the engine names it.

        Without one that the engine does not see, where another has its name.
        """
        known = matched(self._found(), self._listing)
        used = {entry.name for entry in self._listing}
        return {
            device.name: _as_listed(device, known.get(device.name))
            for device in self._found()
            if device.name in known or device.name not in used
        }

    def _printed_ones(self) -> list[Device]:
        """What only the engine knows. A card that it lists a second time under another backend is not one more."""
        known = matched(self._found(), self._listing).values()
        rest = [entry for entry in self._listing if entry not in known]
        return [
            Device(entry.name, entry.label, entry.total)
            for entry in rest
            if not any(_under_another_backend(entry, other) for other in known)
        ]

    def _printed(self) -> dict[str, Gauge]:
        """The engine's own figures, the first time only: it was asked before there were runs."""
        fresh, self._listing_is_fresh = self._listing_is_fresh, False
        names = {device.name for device in self.devices} if fresh else set()
        return {entry.name: Gauge(entry.total, entry.free) for entry in self._listing if entry.name in names}


def matched(found: Sequence[Device], listing: Sequence[Listed]) -> dict[str, Listed]:
    """A meter's name -> the same card in the engine's listing.

    A Vulkan engine has its own names and order and leaves out integrated GPUs, and ROCm may order cards in another
    way than the PCI bus does. So name and size tell best, then the nearest size, at last the name alone.
    """
    known: dict[str, Listed] = {}
    for is_same in (_same_name_and_size, _same_size, _same_name):
        for entry in listing:
            near = [device for device in found if device.name not in known and is_same(device, entry)]
            if near and entry not in known.values():
                known[min(near, key=lambda device: abs(device.total - entry.total)).name] = entry
    return known


def _same_name(device: Device, entry: Listed) -> bool:
    return device.name == entry.name


def _same_size(device: Device, entry: Listed) -> bool:
    return abs(device.total - entry.total) <= ALIKE * entry.total


def _same_name_and_size(device: Device, entry: Listed) -> bool:
    return _same_name(device, entry) and _same_size(device, entry)


def _under_another_backend(entry: Listed, known: Listed) -> bool:
    """``Vulkan0`` beside ``CUDA0``, where the label begins alike (Vulkan adds its driver's name)."""
    backends = {device.name.rstrip("0123456789") for device in (entry, known)}
    return len(backends) == 2 and entry.label.startswith(known.label)


def _as_listed(device: Device, entry: Listed | None) -> Device:
    return device if entry is None else Device(entry.name, entry.label, device.total)


def _renamed(amounts: Mapping[str, T], names: Mapping[str, str]) -> dict[str, T]:
    return {names[own]: amount for own, amount in amounts.items() if own in names}
