"""What the meters say on a machine with a GPU, and that freed memory is seen free.

    python -m tests.real.gpu [--gib 2] [--engine llama-server --model model.gguf]

A child takes memory through the CUDA driver (no toolkit is needed), then an engine does if one is named. Prints
a table at each step. Exit 0: all of it was seen; 1: it was not, or there is no GPU.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import psutil

from swapd.core.engine import RunId
from swapd.core.need import RAM, Reading
from swapd.machine.listing import CannotList, Listed, ask
from swapd.machine.meter import Meter, open_meter
from swapd.machine.ram import disk_read, holding

MIB, GIB = 1 << 20, 1 << 30
SOON = 15.0
"""Seconds within which freed memory must be seen free."""
ENVIRON = os.environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
HOLD = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
device, context, pointer = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
def must(code):
    if code: sys.exit(f"the CUDA driver answers {code}")
must(cuda.cuInit(0))
must(cuda.cuDeviceGet(ctypes.byref(device), 0))
must(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
must(cuda.cuCtxSetCurrent(context))
must(cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(int(sys.argv[1]))))
print("held", flush=True)
sys.stdin.read()
"""


class Failed(Exception):
    """Something was not seen; the message says what."""


def show(title: str, meter: Meter, trees: dict[RunId, list[int]]) -> Reading:
    """Read, and print a table of it in MiB."""
    began = time.perf_counter()
    reading = meter.read(time.monotonic(), trees)
    spent = time.perf_counter() - began
    print(f"\n{title} (read in {spent * 1e3:.1f} ms)")
    runs = list(trees)
    print(f"{'':10}{'total':>10}{'free':>10}" + "".join(f"{run!s:>16}" for run in runs))
    for name in (RAM, *(device.name for device in meter.devices)):
        gauge = reading.gauges.get(name)
        sums = f"{gauge.total // MIB:10}{gauge.free // MIB:10}" if gauge else f"{'?':>10}{'?':>10}"
        held = (reading.taken.get(run, {}).get(name) for run in runs)
        print(f"{name:10}{sums}" + "".join(f"{'not told' if n is None else n // MIB:>16}" for n in held))
    for run, pids in trees.items():
        print(f"{run}: ram {holding(pids)}, read from storage {disk_read(pids)} bytes")
    return reading


def until(what: str, seen: Callable[[], bool]) -> float:
    """Seconds until it was seen. Raises Failed after SOON."""
    began = time.monotonic()
    while not seen():
        if time.monotonic() - began > SOON:
            raise Failed(f"{what} was not seen within {SOON:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - began


def free(meter: Meter, name: str) -> int:
    return meter.read(time.monotonic(), {}).gauges[name].free


def tree(process: subprocess.Popen[bytes]) -> list[int]:
    return [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]


@contextmanager
def held_by_a_child(size: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has ``size`` bytes of the first GPU."""
    command = [sys.executable, "-c", HOLD, str(size)]
    with subprocess.Popen(command, env=ENVIRON, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            if child.stdout is None or child.stdout.readline() != b"held\n":
                raise Failed("the child could not take memory of the GPU")
            yield child
        finally:
            child.kill()


@contextmanager
def engine(binary: str, model: str) -> Iterator[subprocess.Popen[bytes]]:
    """A llama-server that is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [binary, "-m", model, "-ngl", "99", "-c", "4096", "--host", "127.0.0.1", "--port", port]
    with subprocess.Popen(command, env=ENVIRON, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            deadline = time.monotonic() + 300
            while not healthy(port):
                if child.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{binary} did not become ready (exit {child.poll()})")
                time.sleep(0.1)
            yield child
        finally:
            child.kill()


def healthy(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # refused, or 503 while it loads
        return False


def check(
    meter: Meter, name: str, run: RunId, holder: AbstractContextManager[subprocess.Popen[bytes]], least: int
) -> None:
    """Memory is taken, seen taken, given back, and seen free."""
    before = free(meter, name)
    with holder as process:
        until(f"memory taken of {name}", lambda: before - free(meter, name) >= least)
        reading = show(f"while {run} lives", meter, {run: tree(process)})
        told = reading.taken.get(run, {}).get(name)
        if told is not None and abs(told - (before - reading.gauges[name].free)) > GIB:
            raise Failed(f"{run} is told to hold {told} bytes, but {before - reading.gauges[name].free} went")
    spent = until(f"freed memory of {name}", lambda: before - free(meter, name) < least // 10)
    print(f"its memory was seen free {spent:.2f} s after its end")


def listed(binary: str | None) -> list[Listed]:
    def run(argv: Sequence[str]) -> str:
        done = subprocess.run(argv, env=ENVIRON, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout

    return ask(binary, run) if binary else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=int, default=2, help="what the child takes")
    parser.add_argument("--engine", help="a llama-server built for this GPU")
    parser.add_argument("--model", help="a GGUF file")
    asked = parser.parse_args()
    try:
        listing = listed(asked.engine)
        meter = open_meter(ENVIRON, listing)
        print(*(f"{d.name}: {d.label}, {d.total // MIB} MiB" for d in meter.devices), sep="\n")
        reading = show("at rest", meter, {RunId("myself", 1): [os.getpid()]})
        gauges = [device.name for device in meter.devices if device.name in reading.gauges]
        if not gauges:
            raise Failed("no GPU that tells its free memory")
        if any(device.label.startswith("NVIDIA") for device in meter.devices):
            check(meter, gauges[0], RunId("child", 1), held_by_a_child(asked.gib * GIB), asked.gib * GIB)
        if asked.engine and asked.model:
            check(meter, gauges[0], RunId("engine", 1), engine(asked.engine, asked.model), 64 * MIB)
        if meter.problems:
            raise Failed("; ".join(meter.problems))
        meter.close()
    except (Failed, CannotList) as error:
        print(f"\ncannot vouch for the meters: {error}")
        return 1
    print("\nall of it was seen")
    return 0


if __name__ == "__main__":
    sys.exit(main())
