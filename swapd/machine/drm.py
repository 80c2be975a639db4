"""AMD and Intel GPUs through the kernel: sysfs for the card, DRM's fdinfo for each process.

What the kernel tells:

======  =====================================================  ========================  ===================
driver  total                                                  free                      by process (region)
======  =====================================================  ========================  ===================
amdgpu  ``mem_info_vram_total``                                ``- mem_info_vram_used``  ``vram``
xe      ``tile*/physical_vram_size_bytes`` (a little too much) not told                  ``vram0``, ``vram1``
i915    ``lmem_total_bytes``, only in Intel's own builds       not told                  ``local0``
======  =====================================================  ========================  ===================

A card whose total is not told is left to the engine's own listing. The keys of fdinfo are in the kernel's
Documentation/gpu/drm-usage-stats.rst; a process of another user does not show them.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from swapd.core.engine import RunId
from swapd.core.need import Gauge, Reading
from swapd.machine.listing import Device

LEAST = 1 << 30
"""Bytes. Less is the piece of main memory that an integrated GPU draws its screen in."""
_AMD, _INTEL = "0x1002", "0x8086"
_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_MEMORY = re.compile(r"drm-(resident|memory|total)-((?:vram|local)\d*)")
_AMOUNT = re.compile(r"(\d+)\s*(|KiB|MiB|GiB)")
_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class _Card:
    """``slot``: the PCI address, by which fdinfo names a card too. ``folder``: the PCI device in sysfs."""

    device: Device
    slot: str
    folder: Path
    tells_free: bool


class Drm:
    """All AMD and Intel cards that have memory of their own and tell how much, in the order of the PCI bus."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._cards = _find(root / "sys/class/drm")
        self.problems: list[str] = []

    @property
    def devices(self) -> tuple[Device, ...]:
        """``ROCm0``... for AMD, ``SYCL0``... for Intel."""
        return tuple(card.device for card in self._cards)

    def read(self, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        """One look at each card; see Reading."""
        gauges: dict[str, Gauge] = {}
        lost: set[str] = set()
        for card in self._cards:
            device = card.device
            try:
                # where free is not told, any file says whether the card is still there
                used = int((card.folder / ("mem_info_vram_used" if card.tells_free else "vendor")).read_text(), 0)
            except (OSError, ValueError) as error:
                if getattr(error, "errno", None) in _GONE:
                    lost.add(device.name)
                self._say(f"cannot read {device.name} ({device.label}): {error}; dmesg tells more")
                continue
            if card.tells_free:
                gauges[device.name] = Gauge(device.total, max(0, device.total - used))
        taken = {run: self._taken(pids) for run, pids in trees.items()} if self._cards else {}
        return Reading(at, gauges, {run: cost for run, cost in taken.items() if cost}, frozenset(lost))

    def close(self) -> None:
        """Nothing is held open."""

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _taken(self, pids: Collection[int]) -> dict[str, int]:
        """Bytes that a tree holds of each card; without a card whose driver does not tell."""
        clients: dict[tuple[str, str], int | None] = {}
        alive = False
        for pid in pids:
            try:
                for slot, client, held in self._clients(pid):
                    clients[slot, client] = held  # an fd that was duplicated or inherited is the same client
                alive = True
            except PermissionError:
                return {}
            except OSError:
                continue  # it has ended
        taken: dict[str, int] = {}
        for card in self._cards:
            parts = [held for (slot, _), held in clients.items() if slot == card.slot]
            if alive and None not in parts:
                taken[card.device.name] = sum(filter(None, parts))
        return taken

    def _clients(self, pid: int) -> Iterator[tuple[str, str, int | None]]:
        """PCI address, client and bytes of each DRM file that a process has open. Raises OSError."""
        folder = str(self._proc / str(pid))
        for fd in os.listdir(f"{folder}/fd"):  # noqa: PTH208  (there are many, and pathlib takes twice as long)
            try:
                if not os.readlink(f"{folder}/fd/{fd}").startswith("/dev/dri/"):  # noqa: PTH115
                    continue
                words = _words(Path(f"{folder}/fdinfo/{fd}").read_text())
            except FileNotFoundError:
                continue  # closed between two looks
            if "drm-pdev" in words and "drm-client-id" in words:
                yield words["drm-pdev"], words["drm-client-id"], _own_memory(words)


def _find(drm: Path) -> list[_Card]:
    found = []
    for folder in drm.glob("card*/device"):
        vendor = _text(folder / "vendor")
        slot = re.search(r"^PCI_SLOT_NAME=(.+)$", _text(folder / "uevent"), re.MULTILINE)
        total = _amd_total(folder) if vendor == _AMD else _intel_total(folder)
        if vendor in (_AMD, _INTEL) and slot and total >= LEAST:
            found.append((slot[1], vendor, total, folder))
    cards, count = [], {_AMD: 0, _INTEL: 0}
    for place, vendor, total, folder in sorted(found):
        backend, maker = ("ROCm", "AMD") if vendor == _AMD else ("SYCL", "Intel")
        label = _text(folder / "product_name") or f"{maker} GPU at {place}"
        device = Device(f"{backend}{count[vendor]}", label, total)
        cards.append(_Card(device, place, folder, tells_free=vendor == _AMD))
        count[vendor] += 1
    return cards


def _amd_total(folder: Path) -> int:
    return _number(folder / "mem_info_vram_total")


def _intel_total(folder: Path) -> int:
    tiles = [_number(path) for path in folder.glob("tile*/physical_vram_size_bytes")]
    return sum(tiles) or _number(folder.parent / "lmem_total_bytes")


def _words(fdinfo: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in fdinfo.splitlines())
    return {key: value.strip() for key, _, value in pairs}


def _own_memory(words: Mapping[str, str]) -> int | None:
    """Bytes in the card's own regions, None if not told: resident, else its old name, else what was asked for."""
    regions: dict[str, dict[str, int]] = {}
    for key, value in words.items():
        if (found := _MEMORY.fullmatch(key)) and (amount := _AMOUNT.fullmatch(value)):
            regions.setdefault(found[2], {})[found[1]] = int(amount[1]) * _UNITS[amount[2]]
    best = [next(told[k] for k in ("resident", "memory", "total") if k in told) for told in regions.values()]
    return sum(best) if best else None


def _text(path: Path) -> str:
    """A small file's text; nothing if it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    """A decimal or 0x number; 0 if there is none."""
    try:
        return int(_text(path), 0)
    except ValueError:
        return 0
