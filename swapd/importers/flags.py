"""A llama-server's command line as the keys that describe a model. The table is data; the walk is below it.

Spellings as ``llama-server --help`` lists them (build 10434).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from swapd.importers.quoting import Meaning, itself

AUTO_SLOTS = 4
"""What llama-server serves at once when it is told nothing: that many, on one unified cache."""

_Fits = Callable[[str], bool]


def _number(least: int) -> _Fits:
    return lambda value: re.fullmatch(r"[0-9]{1,9}", value) is not None and int(value) >= least


def _anything(value: str) -> bool:
    return bool(value) and not value.startswith("-")


def _layers(value: str) -> bool:
    return value in ("all", "auto") or _number(0)(value)


_Row = tuple[str, _Fits]
VALUES: dict[str, _Row] = {
    "path": ("-m --model", _anything),
    "context": ("-c --ctx-size", _number(0)),
    "gpu_layers": ("-ngl --gpu-layers --n-gpu-layers", _layers),
    "threads": ("-t --threads", _number(1)),
    "threads_batch": ("-tb --threads-batch", _number(1)),
    "batch": ("-b --batch-size", _number(1)),
    "ubatch": ("-ub --ubatch-size", _number(1)),
    "parallel": ("-np --parallel", _number(1)),
    "device": ("-dev --device", _anything),
    "mmproj": ("-mm --mmproj", _anything),
    "draft": ("-md --model-draft --spec-draft-model", _anything),
    "lora": ("--lora", _anything),
}
"""Key -> the flags that it stands for, and what a value must be for the key to take it."""
SWITCHES = {"embeddings": "--embedding --embeddings", "reranking": "--rerank --reranking"}
"""Key -> the flags that turn it on."""
DROPPED = {
    "host": "--host",
    "port": "--port",
    "alias": "-a --alias",
    "api-key": "--api-key",
    "api-key-file": "--api-key-file",
}
"""What swapd sees to itself: flags with a value that no key takes."""
_MANY = ("device", "lora")
_FILES = ("path", "mmproj", "draft")
_AUTOMATIC = ("threads", "threads_batch", "parallel")
"""Keys whose flag says "choose yourself" with a number below 1."""
_UNIFIED = {"-kvu", "--kv-unified"}
_DIVIDED = {"-no-kvu", "--no-kv-unified"}
_ELSEWHERE = {"-hf", "-hfr", "--hf-repo", "-mu", "--model-url", "-dr", "--docker-repo", "--models-dir"}
_ELSEWHERE |= {"--models-preset"}
_BY_FLAG = {flag: key for key, (flags, _) in VALUES.items() for flag in flags.split()}
_TURNED_ON = {flag: key for key, flags in SWITCHES.items() for flag in flags.split()}
_SPARED = {flag: what for what, flags in DROPPED.items() for flag in flags.split()}
_LONG = re.compile(r"--[a-z]")


@dataclass(frozen=True, slots=True)
class Described:
    """A line in keys. ``dropped``: what of DROPPED it said; ``automatic``: it did not say how many slots."""

    keys: dict[str, Any]
    dropped: dict[str, str]
    automatic: bool


def described(arguments: Sequence[str], meaning: Meaning = itself) -> Described | str:
    """The line after the program's name in keys, or why it cannot be said in keys without changing it."""
    keys: dict[str, Any] = {}
    dropped: dict[str, str] = {}
    args: list[str] = []
    for flag, value in _pairs(arguments, meaning):
        key = _BY_FLAG.get(flag, "")
        if flag in _SPARED:
            dropped[_SPARED[flag]] = value or ""
        elif flag in _TURNED_ON:
            keys[_TURNED_ON[flag]] = True
        elif key and value is not None and _takes(key, meaning(value)):
            _put(keys, key, value, meaning)
        elif key in _AUTOMATIC and value is not None:
            keys.pop(key, None)
        else:
            args += [flag] if value is None else [flag, value]
    if why := _cannot(keys, args):
        return why
    return _finished(keys, dropped, args)


def is_told(flag: str) -> bool:
    """Whether swapd says it itself: as a key, or because it sees to that."""
    return flag in _BY_FLAG or flag in _TURNED_ON or flag in _SPARED or flag in _UNIFIED | _DIVIDED


def _pairs(arguments: Sequence[str], meaning: Meaning) -> Iterator[tuple[str, str | None]]:
    """Each word, with the value of those flags that the table knows."""
    rest = iter(arguments)
    for word in rest:
        flag = meaning(word)
        flag = flag.replace("_", "-") if _LONG.match(flag) else flag
        if flag in _BY_FLAG or flag in _SPARED:
            yield flag, next(rest, None)
        else:
            yield (flag if flag in _TURNED_ON else word), None


def _takes(key: str, value: str) -> bool:
    return "${" in value or VALUES[key][1](value)


def _put(keys: dict[str, Any], key: str, value: str, meaning: Meaning) -> None:
    if key in _MANY:
        found = [part for part in value.split(",") if part]
        keys[key] = keys.get(key, []) + found if key == "lora" else found
    else:
        said = meaning(value)
        keys[key] = int(said) if said == value and _number(0)(said) and key not in _FILES else value


def _cannot(keys: dict[str, Any], args: list[str]) -> str:
    """Why it has to stay a command line; empty if it need not."""
    if found := next((word for word in args if word in _ELSEWHERE), ""):
        return f"'{found}' lets the engine find or fetch its model"
    if "path" not in keys:
        return "it names no model file"
    if "parallel" not in keys and _DIVIDED.intersection(args):
        return "it divides the cache among a number of slots that it does not name"
    told = next((n for n, word in enumerate(args) if word == "--spec-type"), None)
    if "draft" in keys and told is not None and args[told + 1 : told + 2] != ["draft-simple"]:
        return "its draft model is used in a way of its own (--spec-type)"
    owned = {*_BY_FLAG, *_SPARED}
    odd = next((word for word in args if "=" in word and word.partition("=")[0] in owned), "")
    return f"'{odd}' is spelt in a way that llama-server does not take" if odd else ""


def _finished(keys: dict[str, Any], dropped: dict[str, str], args: list[str]) -> Described:
    automatic = "parallel" not in keys
    if automatic:
        keys["parallel"] = AUTO_SLOTS
        args += [] if _UNIFIED.intersection(args) else ["--kv-unified"]
    if "draft" in keys and "--spec-type" in args:  # the key says so itself
        at = args.index("--spec-type")
        del args[at : at + 2]
    if args:
        keys["args"] = args
    return Described(keys, dropped, automatic)
