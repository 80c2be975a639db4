"""How a run ended, and what that usually means. Facts about llama-server: FIELD notes of b11434."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from swapd.core.refusal import Exit

_BY_LINE: tuple[tuple[str, str], ...] = (
    (
        r"out of memory|cudaMalloc failed|unable to allocate .* buffer|failed to allocate",
        "the GPU has not enough free memory; lower gpu_layers, context or parallel, or make the budget tighter",
    ),
    (
        r"invalid argument|unknown argument|unrecognized (argument|option)",
        "compare the flags with the engine's --help",
    ),
    (r"couldn't bind|address already in use", "another process took the port; ask again to get a new one"),
    (r"bad_alloc|Cannot allocate memory|failed to create context", "not enough memory; lower context or parallel"),
    (r"failed to load multimodal|mmproj", "check mmproj: the projector must belong to this model"),
    (
        r"failed to load model|error loading model|invalid magic|not a GGUF|No such file",
        "check that the model file is there, whole, and a GGUF that this build of llama.cpp knows",
    ),
    (
        r"error while loading shared libraries",
        "the binary misses a library; check LD_LIBRARY_PATH in the model's env",
    ),
)
_BY_SIGNAL = {
    "SIGKILL": "if nobody killed it, the kernel did for want of memory (see dmesg)",
    "SIGILL": "the binary was built for another CPU",
    "SIGABRT": "llama.cpp gave up, often on a GPU error; see its last lines",
    "SIGSEGV": "the engine crashed; try another build of it",
}


def ended(status: int, lines: Sequence[str]) -> Exit:
    """The Exit of a Popen return code: negative for a signal."""
    name = signal.Signals(-status).name if status < 0 else None
    code = status if status >= 0 else None
    return Exit(code, name, log=tuple(lines), hint=hint_for(name, lines))


def hint_for(name: str | None, lines: Sequence[str]) -> str | None:
    """A sentence on the usual cause, if the last lines or the signal give one away."""
    text = "\n".join(lines)
    for pattern, hint in _BY_LINE:
        if re.search(pattern, text, re.IGNORECASE):
            return hint
    return _BY_SIGNAL.get(name or "")
