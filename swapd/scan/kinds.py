"""What a file is good for, told by its header; its name counts only where that is silent.

Keys as gguf-py writes them (``constants.py``): ``general.type``, ``ARCH.pooling_type`` (1 mean, 2 cls, 3 last,
4 rank), ``ARCH.attention.causal``, ``ARCH.classifier.output_labels``, ``general.tags`` (with the pipeline's name
at Hugging Face). A reranker of Qwen's kind that was converted as a plain language model has no ranking head: then
llama-server gives scores near 0 to all that it is asked (llama.cpp issues 16407 and 25447).
"""

from __future__ import annotations

import re
from pathlib import Path

from swapd.scan.found import Facts

CHAT, EMBEDDING, RERANK = "chat", "embedding", "rerank"
_POOLED, _RANKED = (1, 2, 3), 4
_NO_MODELS = {
    "adapter": "a LoRA adapter: give it to its model with 'lora'",
    "imatrix": "an importance matrix, not a model",
}
_PROJECTORS = ("clip", "mmproj")
_PICTURES = re.compile(
    "flux|sd[123x]|sdxl|wan|lumina2|qwen_image|ltxv|hidream|cosmos|aura|hyvid|z_image|vae", re.ASCII
)
_VOICES = re.compile("wavtokenizer|snac|whisper")
_ENCODERS = re.compile(".*bert.*|gemma-embedding|t5encoder|llama-embed")
_SAYS_RERANK = re.compile(r"rerank|zerank|cross[-_ ]?encoder|text-ranking|ms-marco", re.IGNORECASE)
_SAYS_EMBEDDING = re.compile(
    r"embed(?!ded)|(?<![a-z\d])(?:bge|gte|e5|minilm)(?![a-z\d])|colbert|sentence-similarity|feature-extraction",
    re.IGNORECASE,
)


def is_projector(facts: Facts, path: Path) -> bool:
    """Whether it is the part of a model that sees or hears."""
    said = facts.values.get("general.type")
    return said in _PROJECTORS or facts.arch in _PROJECTORS or (said is None and "mmproj" in path.name.lower())


def no_model(facts: Facts) -> str:
    """Why no engine can be started with it; empty if one can."""
    said = str(facts.values.get("general.type", "model"))
    if said in _NO_MODELS or "adapter.type" in facts.values:
        return _NO_MODELS.get(said, _NO_MODELS["adapter"])
    if _PICTURES.fullmatch(facts.arch):
        return f"it makes pictures ('{facts.arch[:40]}'), which llama-server does not"
    if _VOICES.match(facts.arch):
        return f"it makes or hears voices ('{facts.arch[:40]}'), and is no language model alone"
    return "" if facts.tensors else "a vocabulary without a model"


def kind_of(facts: Facts, name: str) -> str:
    """Chat, embedding or rerank. ``name``: its file's, or a store's."""
    tags = facts.values.get("general.tags")
    words = map(str, tags if isinstance(tags, list) else [])
    told = " ".join([name, str(facts.values.get("general.name", "")), *words])
    pooling = facts.get("pooling_type")
    if pooling == _RANKED or facts.get("classifier.output_labels") or _SAYS_RERANK.search(told):
        return RERANK
    if pooling in _POOLED or facts.get("attention.causal") is False or _ENCODERS.fullmatch(facts.arch):
        return EMBEDDING
    return EMBEDDING if _SAYS_EMBEDDING.search(told) else CHAT


def caveat(facts: Facts, kind: str) -> str:
    """What it cannot do as it is; empty if nothing is known."""
    if kind == CHAT and "tokenizer.chat_template" not in facts.values:
        return "no chat template, so it may only continue text"
    ranks = facts.get("pooling_type") == _RANKED or facts.get("classifier.output_labels")
    if kind == RERANK and not ranks and not _ENCODERS.fullmatch(facts.arch):
        return "no ranking head, so its scores mean nothing: look for a file that was converted with one"
    return ""


def pooling(facts: Facts, kind: str) -> str:
    """The ``--pooling`` that an embedding model needs whose header names none; empty where nothing is to be said.

    Without any, llama-server has a vector for each token, and refuses ``/v1/embeddings`` (so b10434). Models that
    were made of chats keep the sense of a text in its last token, the others in the mean of all.
    """
    if kind != EMBEDDING or facts.get("pooling_type"):
        return ""
    return "mean" if _ENCODERS.fullmatch(facts.arch) or facts.get("attention.causal") is False else "last"


def trained_context(facts: Facts) -> int:
    """Tokens; 0 if the file does not say, or says what cannot be."""
    found = facts.get("context_length")
    return found if isinstance(found, int) and 0 < found < 1 << 28 else 0
