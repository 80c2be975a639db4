"""NVML as a machine in memory: what the module ``pynvml`` is to the meter, with GPUs that can be broken."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

UNINITIALIZED, NOT_SUPPORTED, NOT_FOUND, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND = 1, 3, 6, 9, 12
GPU_IS_LOST, VERSION_MISMATCH, UNKNOWN = 15, 18, 999


class Broken(Exception):
    """As pynvml's NVMLError: a code in ``value``, a text for people."""

    def __init__(self, value: int) -> None:
        super().__init__(f"NVML error {value}")
        self.value = value


@dataclass
class Gpu:
    uuid: str
    total: int = 24 << 30
    free: int = 24 << 30
    compute: list[tuple[int, int | None]] = field(default_factory=list)
    graphics: list[tuple[int, int | None]] = field(default_factory=list)
    broken: int | None = None
    """The code that every question about it is answered with."""
    mute: bool = False
    """Its processes are not told."""


class Nvml:
    """``broken``: the code that nvmlInit fails with."""

    NVMLError = Broken

    def __init__(self, *gpus: Gpu, broken: int | None = None) -> None:
        self.gpus = list(gpus)
        self.broken = broken
        self.starts = 0
        self.is_up = False

    def nvmlInit(self):
        self.starts += 1
        if self.broken is not None:
            raise Broken(self.broken)
        self.is_up = True

    def nvmlShutdown(self):
        self._must(self.is_up, UNINITIALIZED)
        self.is_up = False

    def nvmlDeviceGetCount(self):
        self._must(self.is_up, UNINITIALIZED)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return self._sound(self.gpus[index])

    def nvmlDeviceGetHandleByUUID(self, uuid):
        self._must(self.is_up, UNINITIALIZED)
        found = [gpu for gpu in self.gpus if gpu.uuid == uuid]
        self._must(bool(found), NOT_FOUND)
        return self._sound(found[0])

    def nvmlDeviceGetUUID(self, handle):
        return self._sound(handle).uuid

    def nvmlDeviceGetName(self, handle):
        return f"NVIDIA Test {self._sound(handle).total >> 30}"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(total=self._sound(handle).total, free=handle.free, used=handle.total - handle.free)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        self._must(not handle.mute, NOT_SUPPORTED)
        return _processes(self._sound(handle).compute)

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle):
        self._must(bool(handle.graphics), NOT_SUPPORTED)
        return _processes(handle.graphics)

    def _sound(self, gpu):
        self._must(self.is_up, UNINITIALIZED)
        if gpu.broken is not None:
            raise Broken(gpu.broken)
        return gpu

    def _must(self, fine, otherwise):
        if not fine:
            raise Broken(otherwise)


def _processes(listed):
    return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in listed]
