"""NVIDIA GPUs through NVML: total, free, and what each run holds.

NVML counts GPUs in the order of the PCI bus, as CUDA does when CUDA_DEVICE_ORDER is PCI_BUS_ID; so the n-th one
that CUDA_VISIBLE_DEVICES leaves is llama.cpp's ``CUDAn``. Error codes are those of NVIDIA's nvml.h.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from swapd.core.engine import RunId
from swapd.core.need import Gauge, Reading
from swapd.machine.listing import Device

RETRY = 10.0
"""Seconds between two tries to start NVML; a try may fork a helper of the driver's."""
_DRIVER_NOT_LOADED, _LIBRARY_NOT_FOUND = 9, 12
_NOT_FOUND, _GPU_IS_LOST, _RESET_REQUIRED = 6, 15, 16


class Library(Protocol):
    """What is used of the module ``pynvml``. All but ``nvmlInit`` take or give NVML's own handles."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:
        """Connect to the driver."""

    def nvmlShutdown(self) -> None:
        """Disconnect."""

    def nvmlDeviceGetCount(self) -> int:
        """How many GPUs there are."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        """In the order of the PCI bus."""

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Any:
        """Whatever index it has now."""

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        """``GPU-`` and hexadecimal digits."""

    def nvmlDeviceGetName(self, handle: Any) -> str:
        """The product."""

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        """An object with ``total`` and ``free``, bytes."""

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]:
        """Objects with ``pid`` and ``usedGpuMemory``: bytes, or None where the driver does not tell."""

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> list[Any]:
        """The same for those that draw."""


@dataclass(frozen=True, slots=True)
class _Gpu:
    """Known by its UUID: the index of one GPU changes when another falls off the bus."""

    device: Device
    uuid: str


def open_nvidia(environ: Mapping[str, str]) -> Nvidia:
    """The meter on the true library. A machine without driver or GPU is one where it finds nothing."""
    import pynvml  # noqa: PLC0415  only the daemon and `check` want meters, not every verb

    return Nvidia(cast(Library, pynvml), environ.get("CUDA_VISIBLE_DEVICES"))


class Nvidia:
    """All visible NVIDIA GPUs. Where NVML fails, it is started again at a later reading."""

    def __init__(self, library: Library, visible: str | None = None) -> None:
        self._library = library
        self._visible = visible
        self._gpus: tuple[_Gpu, ...] = ()
        self._lost: frozenset[str] = frozenset()
        self._down_until: float | None = None
        self._tells_pids = False
        self.problems: list[str] = []
        self._start(-math.inf)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those that were found, once and for all: a lost one stays known."""
        return tuple(gpu.device for gpu in self._gpus)

    def read(self, at: float, trees: Mapping[RunId, Collection[int]]) -> Reading:
        """One look at each GPU; see Reading."""
        if self._down_until is not None and (at < self._down_until or not self._start(at)):
            return Reading(at, lost=self._lost)
        gauges: dict[str, Gauge] = {}
        held: dict[str, dict[int, int | None]] = {}
        lost: set[str] = set()
        for gpu in self._gpus:
            name = gpu.device.name
            try:
                handle = self._library.nvmlDeviceGetHandleByUUID(gpu.uuid)
                gauges[name] = _gauge(self._library.nvmlDeviceGetMemoryInfo(handle))
                with contextlib.suppress(self._library.NVMLError):  # not supported, or not allowed: not told
                    held[name] = self._held(handle)
            except self._library.NVMLError as error:
                if _code(error) in (_NOT_FOUND, _GPU_IS_LOST, _RESET_REQUIRED):
                    lost.add(name)
                self._say(f"cannot read {name} ({gpu.device.label}): {error}; nvidia-smi and dmesg tell more")
        self._lost = frozenset(lost)
        if self._gpus and not gauges:  # not one answers: the driver itself may have been reloaded
            self._stop(at)
        return Reading(at, gauges, self._taken(trees, held), self._lost)

    def close(self) -> None:
        """Let go of the driver."""
        if self._down_until is None:
            self._stop(math.inf)

    def _start(self, at: float) -> bool:
        try:
            self._library.nvmlInit()
        except self._library.NVMLError as error:
            self._down_until = at + RETRY
            if _code(error) not in (_LIBRARY_NOT_FOUND, _DRIVER_NOT_LOADED):
                self._complain(error)
            return False
        self._down_until = None
        try:
            self._gpus = self._gpus or tuple(self._find())
        except self._library.NVMLError as error:
            self._complain(error)
            self._stop(at)
            return False
        return True

    def _stop(self, at: float) -> None:
        self._down_until = at + RETRY
        with contextlib.suppress(self._library.NVMLError):
            self._library.nvmlShutdown()

    def _find(self) -> list[_Gpu]:
        found: dict[int, tuple[str, str, int]] = {}
        for index in range(self._library.nvmlDeviceGetCount()):
            try:
                handle = self._library.nvmlDeviceGetHandleByIndex(index)
                total = self._library.nvmlDeviceGetMemoryInfo(handle).total
                label = self._library.nvmlDeviceGetName(handle)
                found[index] = (self._library.nvmlDeviceGetUUID(handle), label, int(total))
            except self._library.NVMLError as error:
                self._say(f"cannot read NVIDIA GPU {index}: {error}; nvidia-smi and dmesg tell more")
        chosen = visible(self._visible, {index: uuid for index, (uuid, _, _) in found.items()})
        seen = [found[index] for index in chosen]
        return [_Gpu(Device(f"CUDA{n}", label, total), uuid) for n, (uuid, label, total) in enumerate(seen)]

    def _held(self, handle: Any) -> dict[int, int | None]:
        """Bytes by pid; None where not told. One that computes and draws is in both lists with the same figure."""
        held: dict[int, int | None] = {}
        for process in self._library.nvmlDeviceGetComputeRunningProcesses(handle) + self._drawing(handle):
            # a listed process holds something: 0 is how some drivers say "not in this container"
            held[process.pid] = process.usedGpuMemory or held.get(process.pid)
        return held

    def _drawing(self, handle: Any) -> list[Any]:
        try:
            return self._library.nvmlDeviceGetGraphicsRunningProcesses(handle)
        except self._library.NVMLError:  # some cards cannot draw
            return []

    def _taken(
        self, trees: Mapping[RunId, Collection[int]], held: Mapping[str, Mapping[int, int | None]]
    ) -> dict[RunId, dict[str, int]]:
        """Sums by run. That a run is in no list means 0 only where the lists are known to speak of our pids.

        In a container they may be empty, or name the host's pids.
        """
        ours = {pid for pids in trees.values() for pid in pids}
        self._tells_pids |= any(used for by_pid in held.values() for pid, used in by_pid.items() if pid in ours)
        if not self._tells_pids:
            return {}
        taken: dict[RunId, dict[str, int]] = {}
        for run, pids in trees.items():
            for name, by_pid in held.items():
                used = [by_pid.get(pid, 0) for pid in pids]
                if used and None not in used:
                    taken.setdefault(run, {})[name] = sum(filter(None, used))
        return taken

    def _complain(self, error: Exception) -> None:
        self._say(
            f"cannot read NVIDIA GPUs: {error}; it is tried again, and nvidia-smi should say the same "
            "(after an update of the driver, restart the machine)"
        )

    def _say(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def visible(asked: str | None, uuids: Mapping[int, str]) -> list[int]:
    """The indexes that CUDA_VISIBLE_DEVICES leaves, in its order. It ends at the first word that names no GPU.

    A word is an index, or the beginning of one GPU's UUID (CUDA C++ Programming Guide, environment variables).
    """
    if asked is None:
        return list(uuids)
    chosen: list[int] = []
    for word in map(str.strip, asked.split(",")):
        found = [
            index
            for index, uuid in uuids.items()
            if word == str(index) or (word.startswith("GPU-") and uuid.startswith(word))
        ]
        if len(found) != 1 or found[0] in chosen:
            break
        chosen += found
    return chosen


def _gauge(memory: Any) -> Gauge:
    return Gauge(int(memory.total), int(memory.free))


def _code(error: Exception) -> int | None:
    return getattr(error, "value", None)
