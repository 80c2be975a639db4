"""Opening the meters at start, under the names that engines have for their devices. Blocks: for a thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swapd.machine.listing import CannotList, Listed, ask
from swapd.machine.meter import Meter, open_meter
from swapd.machine.ram import Ram

log = logging.getLogger("swapd")
RENDER_NODES = Path("/dev/dri")
"""Where there are GPUs that no meter of ours may know, but an engine on Vulkan does."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The meters, and how many bytes there are of each memory."""

    meter: Meter
    total: Mapping[str, int]


def ram_alone() -> Opened:
    """The meter that is there within milliseconds, whatever the GPUs' drivers do."""
    meter = Meter(Ram(), ())
    return Opened(meter, meter.total)


def opened(environ: Mapping[str, str], listing: Sequence[Listed] = ()) -> Opened:
    """All meters of this machine; ``listing`` gives the devices their names."""
    meter = open_meter(environ, listing)
    return Opened(meter, meter.total)


def may_have_gpus(meters: Opened) -> bool:
    """Whether it is worth asking an engine for its devices: that starts drivers, and takes a second."""
    return bool(meters.meter.devices) or any(RENDER_NODES.glob("renderD*"))


def listed(binary: str | None, run: Callable[[Sequence[str]], str]) -> list[Listed]:
    """The GPUs that this engine sees. None where there is no engine, or it cannot tell: then it chooses itself."""
    try:
        return [] if binary is None else ask(binary, run)
    except CannotList as error:
        log.warning("%s", error)
        return []
