"""What the engine itself says of memory, layers and context while it loads.

By default llama-server tells only its slots. ``-lv 4`` adds what each buffer takes, the layers and the context
(recorded from b10434); ``--log-jsonl`` (newer builds) prints the memory breakdown as data, and
``llama-fit-params --fit-print on`` a table of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from swapd.core.need import RAM

MIB = 1 << 20
LONGEST = 8192
"""Characters of a line that is looked at."""
_DEVICE = re.compile(r"(?!CPU)[A-Za-z]+\d+")
_BUFFER = re.compile(r"(\S+) +(\w+) buffer size = *([0-9.]{1,16}) MiB")
# In a row stands "self = model + context + compute", behind "total = free + (" where the device has these.
_ROW = re.compile(r"\|\s+- (\S+) .*[ (](\d{1,9}) = +\d+ \+ +\d+ \+ +\d+")
_PLACED = re.compile(r"- (\S+) \(.*\): .*?(\d+) MiB used")
_PROJECTED = re.compile(r"projected to use (\d+) MiB of (device|host) memory vs\. (\d+) MiB")
_OFFLOADED = re.compile(r"offloaded (\d{1,9})/(\d{1,9}) layers to GPU")
_CONTEXT = re.compile(r"n_ctx += (\d{1,12})")
_SLOTS = re.compile(r"n_slots = (\d{1,6}), n_ctx_slot = (\d{1,12}), kv_unified = '(\w+)'")
_CAPPED = re.compile(r"slot context \((\d{1,12})\) exceeds the training context")
_NO_ALLOC = re.compile(r"no_alloc += 1")


def device_of(buffer: str) -> str:
    """Where a buffer lies: ``CUDA0``, ``HTP0-REPACK`` on their devices, ``CPU_Mapped``, ``CUDA_Host`` in RAM."""
    found = _DEVICE.match(buffer)
    return found[0] if found else RAM


class _Buffers:
    """Sizes as they are allocated, by what, where, and for which context."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[int, str, str], float] = {}
        self._contexts = 0

    def next_context(self) -> None:
        """A further context begins: of the draft, or for several tokens at once."""
        self._contexts += 1

    def add(self, buffer: str, kind: str, mib: float) -> None:
        """Caches add up (one with windows, one without); what computing takes is told anew when it changes."""
        key = (self._contexts, buffer, kind)
        before = 0.0 if kind == "compute" else self._sizes.get(key, 0.0)
        self._sizes[key] = before + mib

    def weights_on(self) -> set[str]:
        """Devices that hold weights."""
        return {device_of(buffer) for _, buffer, kind in self._sizes if kind == "model"}

    def total(self) -> dict[str, int]:
        """Bytes for each device."""
        found: dict[str, int] = {}
        for (_, buffer, _), mib in self._sizes.items():
            found[device_of(buffer)] = found.get(device_of(buffer), 0) + round(mib * MIB)
        return found


class Reported:
    """Hears an engine's output line by line until it serves; what clients then make it write is not believed."""

    def __init__(self) -> None:
        self.projected: tuple[int, int] | None = None
        """Bytes that llama.cpp wanted of its devices (of RAM without any), and what it found there."""
        self._buffers = _Buffers()
        self._table: dict[str, int] = {}
        self._offloaded: tuple[int, int] | None = None
        self._context: int | None = None
        self._slot: int | None = None
        self._state = "loading"

    @property
    def memory(self) -> dict[str, int] | None:
        """Bytes for each device and ``ram``: the buffers' sum, else the last breakdown that was printed.

        What a process and a driver take besides is in neither.
        """
        return self._buffers.total() or dict(self._table) or None

    @property
    def layers(self) -> tuple[int, int] | None:
        """Layers on GPUs, and all. An engine without a GPU says that all were offloaded; its buffers tell."""
        if self._offloaded is None:
            return None
        weights = self._buffers.weights_on()
        return (0, self._offloaded[1]) if weights == {RAM} else self._offloaded

    @property
    def no_gpu(self) -> bool:
        """The weights lie in RAM, though all layers were to be offloaded or no word was said of it."""
        claims_all = self._offloaded is None or self._offloaded[0] == self._offloaded[1]
        return claims_all and self._buffers.weights_on() == {RAM}

    @property
    def context(self) -> int | None:
        """Tokens over all slots."""
        return self._context

    def hear(self, line: str) -> None:
        """Take in one line of either stream."""
        if self._state == "serving" or len(line) > LONGEST:
            return
        for needle, learn in _LEARNERS:
            if needle in line:
                learn(self, line)

    def _hear_json(self, line: str) -> None:
        rows = _rows(line)
        if rows:
            self._table = rows

    def _hear_heading(self, _: str) -> None:
        self._table = {}

    def _hear_row(self, line: str) -> None:
        if found := _ROW.search(line):
            device = device_of(found[1])
            self._table[device] = self._table.get(device, 0) + int(found[2]) * MIB

    def _hear_placed(self, line: str) -> None:
        if (found := _PLACED.search(line)) and device_of(found[1]) != RAM:
            self._table[device_of(found[1])] = int(found[2]) * MIB

    def _hear_projected(self, line: str) -> None:
        if (found := _PROJECTED.search(line)) and self.projected is None:
            self.projected = (int(found[1]) * MIB, int(found[3]) * MIB)

    def _hear_no_alloc(self, line: str) -> None:
        # With -v the trial loads of the fit print their buffers too, and allocate nothing.
        self._state = "trying" if _NO_ALLOC.search(line) else "loading"

    def _hear_buffer(self, line: str) -> None:
        if self._state == "loading" and (found := _BUFFER.search(line)):
            self._buffers.add(found[1], found[2], _mib(found[3]))

    def _hear_offloaded(self, line: str) -> None:
        if self._state == "loading" and self._offloaded is None and (found := _OFFLOADED.search(line)):
            self._offloaded = (int(found[1]), int(found[2]))

    def _hear_new_context(self, _: str) -> None:
        if self._state == "loading":
            self._buffers.next_context()

    def _hear_context(self, line: str) -> None:
        if self._state == "loading" and self._context is None and (found := _CONTEXT.search(line)):
            self._context = int(found[1])

    def _hear_capped(self, line: str) -> None:
        # More than the model was trained for was given, and is left unused: no want of memory.
        if found := _CAPPED.search(line):
            self._slot = int(found[1])

    def _hear_slots(self, line: str) -> None:
        if found := _SLOTS.search(line):
            streams = 1 if found[3] == "true" else int(found[1])
            self._context = (self._slot or int(found[2])) * streams

    def _hear_serving(self, _: str) -> None:
        self._state = "serving"


_LEARNERS: tuple[tuple[str, Callable[[Reported, str], None]], ...] = (
    ("fit_memory_breakdown", Reported._hear_json),
    ("memory breakdown [MiB]", Reported._hear_heading),
    ("|   - ", Reported._hear_row),
    (" MiB used", Reported._hear_placed),
    ("projected to use", Reported._hear_projected),
    ("no_alloc ", Reported._hear_no_alloc),
    (" buffer size =", Reported._hear_buffer),
    ("offloaded ", Reported._hear_offloaded),
    ("constructing llama_context", Reported._hear_new_context),
    ("llama_context: n_ctx ", Reported._hear_context),
    ("slot context (", Reported._hear_capped),
    ("n_ctx_slot = ", Reported._hear_slots),
    (" listening on ", Reported._hear_serving),
)


def fit_print(output: str) -> dict[str, int] | None:
    """Bytes for each device and ``ram`` from ``llama-fit-params --fit-print on``; None if it says none.

    Its rows are ``NAME model context compute`` in MiB, RAM being ``Host``.
    """
    found: dict[str, int] = {}
    for line in output.splitlines():
        name, *numbers = line.split() or [""]
        if (
            len(numbers) == 3
            and all(_is_amount(number) for number in numbers)
            and (name == "Host" or _DEVICE.match(name))
        ):
            device = device_of(name)
            found[device] = found.get(device, 0) + sum(map(int, numbers)) * MIB
    return found or None


def shortfall(asked_layers: int | None, asked_context: int | None, reported: Reported) -> str | None:
    """What to say where the engine silently loaded less than was asked; None if it did not, or does not tell.

    ``asked_layers``: GPU layers, None if the engine may choose (then all of them were hoped for).
    ``asked_context``: tokens over all slots.
    """
    less = [*_fewer_layers(asked_layers, reported), *_less_context(asked_context, reported)]
    if less:
        why = "memory was short"
        if reported.projected is not None and reported.projected[0] > reported.projected[1]:
            needs, free = (amount // MIB for amount in reported.projected)
            why += f" ({needs} MiB were wanted, {free} MiB free)"
        return f"{' and '.join(less)}: {why}; lower context or free memory"
    if asked_layers and reported.no_gpu:
        return "no layer is on a GPU: the engine found none that it can use; see `llama-server --list-devices`"
    return None


def _fewer_layers(asked: int | None, reported: Reported) -> list[str]:
    if reported.layers is None or reported.no_gpu:
        return []
    got, every = reported.layers
    wanted = every if asked is None else min(asked, every)
    return [f"{got} of {wanted} layers are on the GPU"] if got < wanted else []


def _less_context(asked: int | None, reported: Reported) -> list[str]:
    got = reported.context
    return [f"{got} of {asked} tokens of context"] if asked and got is not None and got < asked else []


def _rows(line: str) -> dict[str, int]:
    """The rows of a ``--log-jsonl`` line; empty if it is not one."""
    try:
        said = json.loads(line)
        if said["type"] != "fit_memory_breakdown" or said["data"]["unit"] != "MiB":
            return {}
        found: dict[str, int] = {}
        for row in said["data"]["rows"]:
            device = device_of(row["name"])
            found[device] = found.get(device, 0) + _amount(row["self"]) * MIB
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found


def _amount(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 30:
        raise ValueError(value)
    return value


def _is_amount(text: str) -> bool:
    return text.isdecimal() and len(text) < 10


def _mib(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
