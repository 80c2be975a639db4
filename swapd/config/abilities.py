"""What may be asked of a model: what the operator says, else what its engine's kind and command line tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath

from swapd.config import llamacpp
from swapd.config.drafts import Draft
from swapd.config.problems import Problems
from swapd.core.kinds import KINDS, LLAMA_CPP

PROGRAM = "llama-server"
_EMBEDS = frozenset({"--embedding", "--embeddings", "LLAMA_ARG_EMBEDDINGS"})
_RERANKS = frozenset({"--rerank", "--reranking", "LLAMA_ARG_RERANKING"})
_ASKED_FOR = {
    "embeddings": "say 'embeddings: true' (--embeddings)",
    "rerank": "say 'reranking: true' (--reranking)",
    "chat": "remove what makes it embed or rerank",
    "completions": "remove what makes it embed or rerank",
}
"""What a llama-server does only if it is told to, and how."""
_ROUTES = ("--models-dir", "--models-preset", "LLAMA_ARG_MODELS_DIR", "LLAMA_ARG_MODELS_PRESET")
"""As a router, llama-server starts others of its kind, each with flags of its own."""


def abilities(draft: Draft, argv: Sequence[str]) -> frozenset[str] | None:
    """Of ``core.kinds.ABILITIES``; None where nobody knows, and so anything may be asked."""
    keys = draft.keys
    if keys.capabilities:
        return frozenset(keys.capabilities)
    if not draft.says_kind and (draft.remote or (draft.raw and not _is_llama_server(argv))):
        return None
    can = KINDS[keys.engine].can
    if draft.remote or keys.engine != LLAMA_CPP:
        return can
    return _narrowed(can, argv, keys.env)


def check_said(draft: Draft, argv: Sequence[str], warnings: Problems) -> None:
    """Warn of ``capabilities`` that the flags of a llama-server here leave out: each such request would fail."""
    keys = draft.keys
    if not keys.capabilities or draft.remote or keys.engine != LLAMA_CPP or not _is_llama_server(argv):
        return
    able = _narrowed(KINDS[LLAMA_CPP].can, argv, keys.env)
    for said in keys.capabilities if able is not None else ():
        if said in _ASKED_FOR and able is not None and said not in able:
            message = f"says '{said}', and its flags leave that out: {_ASKED_FOR[said]}"
            warnings.add(draft.place("capabilities"), draft.path("capabilities"), message)


def _is_llama_server(argv: Sequence[str]) -> bool:
    """By the name of the program: behind another one (``docker``, ``nice``) may be anything."""
    return bool(argv) and (argv[0] == llamacpp.BINARY or PROGRAM in PurePath(argv[0]).name)


def _narrowed(can: frozenset[str], argv: Sequence[str], variables: Iterable[str]) -> frozenset[str] | None:
    """What a llama-server does, which embeds or reranks instead of talking, and neither unless it is told to."""
    told = {word.partition("=")[0] for word in argv} | set(variables)
    if told.intersection(_ROUTES):
        return None
    if told & _RERANKS or llamacpp.word_after(argv, ("--pooling",)) == "rank":
        return can & {"rerank", "tokenize", "native"}
    if told & _EMBEDS:
        return can & {"embeddings", "tokenize", "native"}
    return can - {"embeddings", "rerank"}
