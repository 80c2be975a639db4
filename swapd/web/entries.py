"""One model of a list, in the shapes that clients look for: OpenAI's, with what vLLM and llama.cpp's router add.

Read from what is known already, so a list costs nothing and starts nothing. Of a command line only the context
and the kind are shown: it may hold keys and paths that are nobody's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from swapd.core.book import Wish
from swapd.core.engine import State
from swapd.core.settings import ClientKey
from swapd.core.spec import Spec
from swapd.core.view import ModelView, View
from swapd.web.guard import may_use

CREATED = 1_700_000_000
"""Clients want a ``created``; ours is the same for every model and for ever, so that it never confuses a cache."""
LOADED, LOADING, UNLOADED = "loaded", "loading", "unloaded"
"""llama.cpp's router words, which Open WebUI and others read."""
NEARLY = 0.99
"""What an estimate comes to at most: only the engine says that it is ready."""

_VALUES = {State.STARTING: LOADING, State.READY: LOADED, State.DRAINING: LOADED}
_EMBEDS = {"--embedding", "--embeddings"}
_RERANKS = {"--rerank", "--reranking"}
_SEES = {"-mm", "--mmproj", "-mmu", "--mmproj-url"}
_SLOTS = ("-np", "--parallel")
_SHARED = {"-kvu", "--kv-unified"}
_WORDS = {"completions": "completion", "chat": "chat", "embeddings": "embedding", "rerank": "rerank"}
_FLAG = {"embedding": "--embeddings", "rerank": "--reranking"}


def names(model: ModelView, who: ClientKey | None) -> tuple[str, ...]:
    """What it is listed as to a client: its own name, and each alias."""
    own = model.spec.name
    return tuple(name for name in (own, *model.aliases) if may_use(who, name, own))


def entry(name: str, model: ModelView, learned: Mapping[str, Any], who: ClientKey | None) -> dict[str, Any]:
    """The model as ``name`` is listed. ``learned``: what its engine once told of itself, llama.cpp's ``meta``."""
    listing, what = model.spec.terms.service.listing, _purpose(model.spec)
    context = learned.get("n_ctx") or (listing.context and listing.context // what.slots)
    found: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "swapd",
        "aliases": [other for other in names(model, who) if other != name],
        "tags": [],
        "status": status(model) | {"args": what.args(context)},
        "capabilities": _capabilities(model.spec, what),
        "architecture": {"input_modalities": what.inputs, "output_modalities": ["text"]},
    }
    if listing.description:
        found["description"] = listing.description
    if listing.metadata:
        found["metadata"] = dict(listing.metadata)
    if context:
        found |= {"context_length": context, "max_model_len": context}
    if meta := dict(learned) | ({"n_ctx": context} if context else {}):
        found["meta"] = meta
    return found


def _purpose(spec: Spec) -> Purpose:
    """As its command line says, or the operator, or what kind of engine it is."""
    what, can = purpose(spec.launch.argv), spec.terms.service.abilities
    if can is None or can & {"chat", "completions"}:
        return what
    return what._replace(only="embedding" if "embeddings" in can else "rerank" if "rerank" in can else what.only)


def _capabilities(spec: Spec, what: Purpose) -> list[str]:
    """In the words that clients know."""
    can = spec.terms.service.abilities
    if can is None:
        return what.capabilities
    words = [word for ability, word in _WORDS.items() if ability in can]
    return [*words, *["multimodal"] * (what.sees and "chat" in can)]


def status(model: ModelView) -> dict[str, Any]:
    """The word, and how its last run failed if it did."""
    found: dict[str, Any] = {"value": value(model)}
    if found["value"] == UNLOADED and model.failures:
        found["failed"] = True
        if model.failure is not None and model.failure.exit.code is not None:
            found["exit_code"] = model.failure.exit.code
    return found


def value(model: ModelView) -> str:
    """The word. One that was asked for and waits for its room is loading already: else its client asks again."""
    if model.engine is not None:
        return _VALUES.get(model.engine.state, UNLOADED)
    return LOADING if model.waiting or model.wish is Wish.LOAD else UNLOADED


def progress(view: View, name: str) -> float | None:
    """How much of its load a model has behind it (0 to 1), by the time that its loads take; None: nobody knows."""
    engine = view.models[name].engine
    if engine is None or engine.state is not State.STARTING:
        return None
    left = view.outlook(name).ready
    if left is None:
        return None
    done = view.now - engine.since
    return min(done / max(done + left, done, 0.001), NEARLY)


class Purpose(NamedTuple):
    """What a llama-server is for, by its command line: it embeds or reranks instead of talking, not besides."""

    only: str
    """``embedding`` or ``rerank``; empty where it talks."""
    sees: bool
    slots: int
    """Among which its context is divided; 1 where it is not, or nobody says."""

    @property
    def capabilities(self) -> list[str]:
        """In the words that clients know."""
        return [self.only] if self.only else ["completion", "chat", *["multimodal"] * self.sees]

    @property
    def inputs(self) -> list[str]:
        """llama.cpp's ``input_modalities``."""
        return ["text", *["image"] * (self.sees and not self.only)]

    def args(self, context: int | None) -> list[str]:
        """What clients look for in the command line of a model that is not loaded."""
        words = ["--ctx-size", str(context)] if context else []
        return [*words, _FLAG[self.only]] if self.only else words


@lru_cache(maxsize=1024)
def purpose(argv: tuple[str, ...]) -> Purpose:
    """Read it off the command line."""
    flags: dict[str, str] = {}
    for word, after in zip(argv, (*argv[1:], ""), strict=False):  # of what runs elsewhere there is none
        flag, joined, text = word.partition("=")
        flags[flag] = text if joined else after
    only = "embedding" if flags.keys() & _EMBEDS else ""
    if flags.keys() & _RERANKS or flags.get("--pooling") == "rank":
        only = "rerank"
    told = next((flags[flag] for flag in _SLOTS if flag in flags), "")
    divides = told.isdecimal() and not flags.keys() & _SHARED
    return Purpose(only, bool(flags.keys() & _SEES), max(1, int(told)) if divides else 1)
