"""Ollama's ``options`` and ``keep_alive``: what they mean here, or why they mean nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from swapd.web.errors import BAD_REQUEST, Problem

FOR_EVER = 100 * 365 * 86400.0
"""Seconds that nobody waits for."""
LONGEST = 40
"""Characters of a duration that is worth reading."""
LARGEST = 2**53
"""The largest number that every reader of JSON understands."""
_INTEGERS = {
    "num_keep": "n_keep",
    "seed": "seed",
    "top_k": "top_k",
    "repeat_last_n": "repeat_last_n",
    "mirostat": "mirostat",
}
"""Option -> llama-server's name of the sampling parameter, OpenAI's where there is one."""
_NUMBERS = (
    "temperature",
    "top_p",
    "min_p",
    "typical_p",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "mirostat_tau",
    "mirostat_eta",
)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_DURATION = re.compile(rf"([-+]?)((?:{_PART})+)")
_SECONDS = re.compile(r"[-+]?\d+(?:\.\d*)?")


class Keep(NamedTuple):
    """How long an engine is to stay idle (s); None: for ever."""

    ttl: float | None


def sampling(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as parameters of a request. Raises Problem (400).

    Those that say how a model is to be launched (``num_ctx``, ``num_gpu``, ``num_thread`` and their like) are left
    out: that is the operator's affair, here. So are those that nobody knows, as with Ollama.
    """
    found: dict[str, Any] = {}
    for option, name in _INTEGERS.items():
        if (number := _number(options, option)) is not None:
            found[name] = int(number)
    for option in _NUMBERS:
        if (number := _number(options, option)) is not None:
            found[option] = number
    most = _number(options, "num_predict")
    if most is not None and most >= 0:  # below: as many as there is room for
        found["max_tokens"] = int(most)
    stop = options.get("stop")
    if stop is not None:
        found["stop"] = _texts(stop)
    return found


def keep(keep_alive: float | str | None) -> Keep | None:
    """What a request says of it. Raises Problem (400).

    A number is seconds; a text is a duration as Go writes it (``5m``, ``1h30m``), or a number. What is negative is
    for ever.
    """
    if keep_alive is None:
        return None
    length = keep_alive if isinstance(keep_alive, int | float) else _length(keep_alive.strip())
    return Keep(None if length < 0 or length > FOR_EVER else float(length))


def _length(text: str) -> float:
    if len(text) <= LONGEST and _SECONDS.fullmatch(text):
        return float(text)
    if len(text) > LONGEST or (found := _DURATION.fullmatch(text)) is None:
        why = 'it takes seconds, or a duration as "5m" or "1h30m"; a negative one is for ever'
        raise Problem(BAD_REQUEST, f"cannot use 'keep_alive': {why}", param="keep_alive")
    length = sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, found[2]))
    return -length if found[1] == "-" else length


def _number(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
        raise Problem(BAD_REQUEST, f"cannot use option '{name}': it takes a number", param="options")
    return value


def _texts(stop: object) -> list[str]:
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Problem(BAD_REQUEST, "cannot use option 'stop': it takes a list of texts", param="options")
    return texts
