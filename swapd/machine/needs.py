"""What a model needs of the machine, and the ways it can be placed: made from a file's header, from what the
engine said, or from what was measured; and what the operator knows better.

llama.cpp splits a model by layers over its devices, in proportion to their free memory unless told otherwise
(``--tensor-split``); the cache lies beside its layers. Where a header leaves it open, a need is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, islice

from swapd.core.need import RAM, Need, Source, Way, is_memory
from swapd.core.spec import Cost
from swapd.machine.asked import placing_of
from swapd.machine.estimate import estimate
from swapd.machine.gguf import BadGguf, NoModel
from swapd.machine.spread import Spread

GPU_CONTEXT = 512 << 20
"""What a driver takes on each GPU that an engine opens: 0.3 to 0.6 GB (llama.cpp issues 19379, 25265)."""
PROCESS = 100 << 20
"""The program itself and its buffers, without a GPU: 85 MB measured with a 253 MB model."""
HOST = 500 << 20
"""RAM beside a full offload: the driver's libraries, pinned buffers, the input layer. Published breakdowns show
200 to 800 MiB on the host (llama.cpp issue 19437, ollama issue 17482)."""
MOST_WAYS = 32
"""Of very many GPUs not every combination is tried."""

Devices = Sequence[tuple[str, int]]
"""GPUs that engines can use: name and budget in bytes."""


def weigh(argv: Sequence[str], devices: Devices, choose: bool) -> Need:
    """A need told from the header of the model file that a llama-server command line names.

    ``choose``: one way for each placement that is possible on the fewest GPUs (``device: auto``); without it
    only the devices that ``--device`` names, or all of them, which is what the engine takes. Never raises:
    what cannot be told is ``UNKNOWN``, and the detail says why.
    """
    try:
        found = estimate(argv)
    except OSError as error:
        return Need((), Source.UNKNOWN, f"cannot read {error.filename}: {error.strerror}")
    except NoModel as error:
        return Need((), Source.UNKNOWN, str(error), broken=True)
    except (BadGguf, ValueError) as error:  # a path may hold what no path can
        return Need((), Source.UNKNOWN, str(error))
    if found is None:
        return Need((), Source.UNKNOWN, "the command names no model file whose header could be read")
    placing = placing_of(argv)
    usable = _usable(placing.devices, devices)
    if not usable or placing.layers == 0:
        return Need((Way({RAM: found.total}),), Source.HEADER, f"{found}, in RAM", margin=found.margin)
    spread = Spread(found, placing, GPU_CONTEXT, HOST)
    free = choose and placing.devices is None
    ways = _placements(spread, usable) if free else [spread.over(usable, named=placing.devices is not None)]
    return Need(tuple(ways), Source.HEADER, f"{found}; {spread.told(ways)}", margin=found.margin)


def learned(observed: Cost, devices: Devices, choose: bool, load: float | None = None) -> Need:
    """A need from what was measured (bytes by resource); ``load``: seconds that a load took.

    With ``choose`` the same amounts are also offered on other devices of the same kind.
    """
    return Need(_elsewhere(observed, devices, choose), Source.LEARNED, f"measured: {_amounts(observed)}", load)


def told(memory: Mapping[str, int], devices: Devices, choose: bool) -> Need:
    """A need from the buffers that the engine said it has (``Reported.memory``, ``fit_print``).

    To these comes what it does not count: its process, and the driver's context on each GPU.
    """
    gpus = {name: amount + GPU_CONTEXT for name, amount in memory.items() if name != RAM and amount}
    cost = {**gpus, RAM: memory.get(RAM, 0) + (HOST if gpus else PROCESS)}
    detail = f"the engine's buffers {_amounts(memory)}, and what a process and a driver take besides"
    return Need(_elsewhere(cost, devices, choose), Source.ENGINE, detail)


def with_operator(need: Need, given: Cost) -> Need:
    """The operator's ``needs`` win by name: each amount replaces that of its resource in every way.

    GPUs that the operator gives are the only way, and one given as 0 is none to run on; counters are added as
    they are, and say nothing of how the memory is known.
    """
    memory = {name for name in given if is_memory(name)}
    if not given or (not need.ways and not memory):
        return need
    ways = _allowed(need.ways or (Way({}),), given)
    wholly = bool(memory) and all({name for name in way.cost if is_memory(name)} <= memory for way in ways)
    told = {name: given[name] for name in given if name in memory}
    said = (need.detail, f"{_amounts(told)} {Source.OPERATOR.value}" if told else "")
    return replace(
        need,
        ways=tuple(Way({**way.cost, **given}, way.devices) for way in ways),
        source=Source.OPERATOR if wholly else need.source,
        # The amounts say it all, but for a file that no engine can load.
        detail="; ".join(filter(None, said)) if not wholly else need.detail if need.broken else "",
    )


def _allowed(ways: tuple[Way, ...], given: Cost) -> tuple[Way, ...]:
    """On all GPUs that the operator gives; else on none that is given as 0, as far as there is such a way."""
    gpus = tuple(name for name, amount in given.items() if amount and name in _gpus(given))
    if gpus:
        # RAM beside those GPUs is what it was where the model runs on them, if that was told.
        like = next((way for way in ways if _gpus(way.cost) <= set(gpus)), ways[0])
        return (Way({name: amount for name, amount in like.cost.items() if name == RAM}, gpus),)
    barred = _gpus(given)
    first = Way(ways[0].cost, tuple(name for name in ways[0].devices if name not in barred))
    return tuple(way for way in ways if not barred & _runs_on(way)) or (first,)


def _usable(named: tuple[str, ...] | None, devices: Devices) -> list[tuple[str, int]]:
    """In the order named. One that is not there has no budget, and the arithmetic will say so."""
    return list(devices) if named is None else [(name, dict(devices).get(name, 0)) for name in named]


def _placements(spread: Spread, devices: Devices) -> list[Way]:
    """All ways on the fewest GPUs that suffice; on all of them, partly offloaded, where none do."""
    for count in range(1, len(devices) + 1):
        tried = islice(combinations(devices, count), 1 << 10)
        if fitting := [way for some in tried if (way := spread.whole(some)) is not None]:
            return fitting[:MOST_WAYS]
    return [spread.over(devices, named=True)]


def _elsewhere(cost: Cost, devices: Devices, choose: bool) -> tuple[Way, ...]:
    """The cost where it was seen first, then on every other set of devices of the same kind."""
    seen = tuple(name for name, amount in cost.items() if name != RAM and amount)
    if not choose or not seen:
        return (Way(cost),)
    there = {name for name, _ in devices}
    ways = {frozenset(seen): Way(cost, seen)} if there.issuperset(seen) or not there else {}
    for names in islice(_alike(seen, devices), MOST_WAYS):
        ways.setdefault(frozenset(names), Way(_moved(cost, seen, names), names))
    return tuple(ways.values()) or (Way(cost, seen),)


def _alike(seen: tuple[str, ...], devices: Devices) -> Iterator[tuple[str, ...]]:
    """Sets of devices of the same kind (``CUDA0`` as ``CUDA1``), the roomiest first within each."""
    kinds = {name.rstrip("0123456789") for name in seen}
    alike = sorted((d for d in devices if d[0].rstrip("0123456789") in kinds), key=lambda d: -d[1])
    return (tuple(name for name, _ in some) for some in combinations(alike, len(seen)))


def _moved(cost: Cost, seen: tuple[str, ...], names: tuple[str, ...]) -> Cost:
    """The same amounts on other devices, the largest on the roomiest."""
    largest = sorted(seen, key=lambda name: -cost[name])
    kept = {name: amount for name, amount in cost.items() if name not in seen}
    return {**kept, **{new: cost[old] for old, new in zip(largest, names, strict=True)}}


def _gpus(cost: Cost) -> set[str]:
    return {name for name in cost if is_memory(name) and name != RAM}


def _runs_on(way: Way) -> set[str]:
    return {name for name in _gpus(way.cost) if way.cost[name]} | {*way.devices}


def _amounts(cost: Mapping[str, int]) -> str:
    """``CUDA0 9216 MiB + ram 500 MiB``; counters as they are."""
    return " + ".join(
        f"{name} {amount >> 20} MiB" if is_memory(name) else f"{name} {amount}" for name, amount in cost.items()
    )
