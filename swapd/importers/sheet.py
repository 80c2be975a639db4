"""What every importer begins and ends with: a source, a model while it is made, and how things are told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from swapd.core.draft import Draft, ModelDraft
from swapd.core.text import one_line

LEFT = "left out: "
"""Begins each line about something that could not be carried over."""
SHOWN = 240
"""Characters of a line of comment."""
MOST_TEXT = 1 << 16
"""Characters that one command may grow to."""

Parse = Callable[[str], Any]
"""A YAML text as plain data. Raises ValueError with the place and the reason."""


Beside = Callable[[str], str | None]
"""The text of another file, by a path from the source's folder; None where there is none. Raises CannotImport."""


class CannotImport(Exception):
    """The source is of no use; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text to read. ``folder``: what relative paths in it are relative to, absolute.

    ``beside`` and ``environ`` are what a tool reads besides its own file, where somebody lets it.
    """

    text: str
    folder: str
    name: str = "-"
    beside: Beside | None = None
    environ: Mapping[str, str] = field(default_factory=dict)


def told(text: str) -> str:
    """One bounded line of a comment, whatever is in it."""
    line = one_line(" ".join(text.split()))
    return line if len(line) <= SHOWN else line[:SHOWN] + "..."


def left(what: str, why: str) -> str:
    """The line that tells of what was left out."""
    return told(f"{LEFT}{what[:120]}: {why}")


def one_by_one(draft: Draft) -> Draft:
    """The draft with its ``defaults`` said of each model: in a file of others they would change those too."""
    defaults = mapping(draft.top.get("defaults"))
    models = []
    for model in draft.models:
        spared = {"ttl", "stop_grace"} if "url" in model.keys else {"ttl"} if model.keys.get("pinned") else set()
        usual = {key: value for key, value in defaults.items() if key not in spared}
        models.append(
            replace(model, keys={**model.keys, **{k: v for k, v in usual.items() if k not in model.keys}})
        )
    top = {key: value for key, value in draft.top.items() if key != "defaults"}
    return replace(draft, models=tuple(models), top=top)


def left_out(draft: Draft) -> int:
    """How many things a draft says were left out."""
    lines = [*draft.head, *draft.left, *(line for lines in draft.remarks.values() for line in lines)]
    lines += [line for model in draft.models for line in (*model.remarks, *model.notes.values())]
    return sum(line.startswith(LEFT) for line in lines)


ORDER = (
    *("engine", "path", "binary", "command", "url", "api_key", "upstream_model", "cwd", "env", "stop", "health"),
    *("context", "gpu_layers", "threads", "threads_batch", "batch", "ubatch", "parallel", "device"),
    *("embeddings", "reranking", "mmproj", "draft", "lora", "args", "capabilities", "aliases"),
    *("ttl", "pinned", "preload", "priority", "concurrency", "needs", "start_timeout", "stop_grace"),
)
"""In which a model's keys are written; all others follow as they came."""


@dataclass(slots=True)
class Sheet:
    """A model while it is put together."""

    name: str
    keys: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def leave(self, what: str, why: str) -> None:
        """Tell of something that is not carried over."""
        self.remark(left(what, why))

    def remark(self, text: str) -> None:
        """Tell of something that is done in another way now."""
        if (line := told(text)) not in self.remarks:
            self.remarks.append(line)

    def drafted(self) -> ModelDraft:
        """As it is to be written."""
        rank = {key: n for n, key in enumerate(ORDER)}
        keys = dict(sorted(self.keys.items(), key=lambda item: rank.get(item[0], len(ORDER))))
        notes = {key: told(note) for key, note in self.notes.items()}
        return ModelDraft(self.name, keys, tuple(self.remarks), notes)


class Names:
    """Names that clients may ask for: one word each, and each once."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def fresh(self, wanted: str) -> str:
        """The name, or one near it that swapd takes and nobody has."""
        base = name = named(wanted)
        while name in self._taken:
            self._taken[base] += 1
            name = f"{base}-{self._taken[base]}"
        self._taken[name] = 1
        return name


def named(wanted: str) -> str:
    """The nearest name of one printable word."""
    word = "".join(each if each.isprintable() and each != " " else "-" for each in wanted.strip())
    return word.replace("${", "-").strip("-")[:200] or "model"


def seconds(value: float) -> str:
    """A duration as the config says it: ``90s``, ``5m``, ``1h``; 0 is ``never``."""
    if not value:
        return "never"
    for unit, length in (("h", 3600), ("m", 60)):
        if value % length == 0:
            return f"{int(value // length)}{unit}"
    return f"{max(value, 0.001):.3f}".rstrip("0").rstrip(".") + "s"


def mapping(value: Any) -> dict[str, Any]:
    """The mapping, or an empty one where there is something else."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """The list, or an empty one where there is something else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A single value as text; empty where there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def number(value: Any) -> float | None:
    """A number that is at least 0, and no wild one; None where there is something else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9 else None


def whole(text: str) -> int | None:
    """The whole number that a text is; None where it is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def held(names: Iterable[str]) -> str:
    """Names in a sentence, not too many."""
    known = list(names)
    return ", ".join(known[:6]) + (f" and {len(known) - 6} more" if len(known) > 6 else "")


_SECRET = re.compile(r"(^|_)(key|keys|token|tokens|password|passwd|secret)$", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a variable of such a name usually holds a secret."""
    return _SECRET.search(name) is not None


def holds_secrets(draft: Draft) -> bool:
    """Whether the draft has a key or a token in it, not only the name of a variable that has."""
    clients = mapping(draft.top.get("clients"))
    found = [text(mapping(client).get("key")) for client in clients.values()]
    for model in draft.models:
        found.append(text(model.keys.get("api_key")))
        found += _secrets_of_process(model.keys)
    return any(secret and not secret.startswith("${env.") for secret in found)


def _secrets_of_process(keys: Mapping[str, Any]) -> list[str]:
    """The values of variables and flags that usually hold one."""
    words = [*text(keys.get("command")).split(), *map(text, listed(keys.get("args")))]
    said = [word.partition("=") for word in words] + [(n, "", v) for n, v in mapping(keys.get("env")).items()]
    tokens = [value for flag, value in pairwise(words) if flag in ("-hft", "--hf-token")]
    return tokens + [value for name, _, value in said if is_secret(name)]
