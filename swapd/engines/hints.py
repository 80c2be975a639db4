"""How a run ended, and what that usually means. The lines are those of llama-server and its libraries."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from swapd.core.refusal import Exit

_BY_LINE: tuple[tuple[str, str], ...] = (
    (
        r"cudaMalloc failed|CUDA error: out of memory|OutOfDeviceMemory|hipErrorOutOfMemory"
        r"|unable to allocate (CUDA|ROCm|Vulkan|SYCL|Metal)\S* buffer",
        "the GPU has not enough free memory; lower gpu_layers, context or parallel, or make the budget tighter",
    ),
    (
        r"invalid device: ",
        "there is no such device: llama-server --list-devices shows those there are",
    ),
    (
        r"invalid argument|unknown argument|unrecognized (argument|option)|unexpected argument",
        "flags change between builds: compare this one with the engine's --help",
    ),
    (
        r"couldn't bind|address already in use",
        "another process took the port, or the command listens on a port of its own choice instead of ${port}",
    ),
    (
        r"bad_alloc|Cannot allocate memory|failed to create context|out of memory|failed to allocate",
        "not enough memory; lower context, parallel or batch, or choose a smaller model",
    ),
    (
        r"failed to load multimodal|failed to load clip|clip_init",
        "check mmproj: the projector must be there, and belong to this model",
    ),
    (
        r"unknown (model )?architecture",
        "this build of llama.cpp does not know the model's architecture: update the engine",
    ),
    (
        r"error while loading shared libraries",
        "the binary misses a library; set LD_LIBRARY_PATH in the model's env, or install it",
    ),
    (
        r"failed to load model|error loading model|invalid magic|bad magic|not a GGUF|failed to open",
        "check that the model file is there, whole, and a GGUF that this build of llama.cpp knows",
    ),
)
_BY_SIGNAL = {
    "SIGKILL": "if nobody killed it, the kernel did for want of memory (see dmesg)",
    "SIGILL": "the binary was built for another CPU",
    "SIGABRT": "llama.cpp gave up, often on a GPU error; see its last lines",
    "SIGSEGV": "the engine crashed; try another build of it",
}
_ENDED_BY_ITSELF = (
    "the command ended by itself: it has to stay in the foreground (no trailing &, no docker run -d)"
)


def ended(status: int, lines: Sequence[str], *, asked: bool = False) -> Exit:
    """The Exit of a Popen return code: negative for a signal.

    ``asked``: we told the process to go, so how it went says nothing about why.
    """
    name = _signal_name(-status) if status < 0 else None
    code = status if status >= 0 else None
    hint = _by_line(lines) or (None if asked else _by_status(status))
    return Exit(code, name, log=tuple(lines), hint=hint)


def _by_line(lines: Sequence[str]) -> str | None:
    text = "\n".join(lines)
    return next((hint for pattern, hint in _BY_LINE if re.search(pattern, text, re.IGNORECASE)), None)


def _by_status(status: int) -> str | None:
    if status == 0:
        return _ENDED_BY_ITSELF
    # A shell around the engine reports the engine's signal as 128 more than its number.
    return _BY_SIGNAL.get(_signal_name(-status if status < 0 else status - 128))


def _signal_name(number: int) -> str:
    """As in "SIGKILL"; the real-time ones in between have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
