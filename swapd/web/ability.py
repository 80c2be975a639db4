"""What an engine cannot do is said before anything is started for it, and who can do it instead."""

from __future__ import annotations

import msgspec

from swapd.core.kinds import KINDS, LLAMA_CPP
from swapd.core.settings import ClientKey
from swapd.core.spec import Spec
from swapd.web.entries import names
from swapd.web.errors import UNSUPPORTED, Problem
from swapd.web.gate import Gate
from swapd.web.models import listed
from swapd.web.upstream import Request

TOOLS = "tools"
_UNTOLD = {
    "embeddings": "a llama-server does them with 'embeddings: true', and then nothing else",
    "rerank": "a llama-server does it with 'reranking: true', and then nothing else",
}
_TALKING = KINDS[LLAMA_CPP].can - _UNTOLD.keys()
"""What a llama-server does that is told of neither."""
_TALKS = frozenset(("chat", "responses", "messages"))
MOST_NAMED = 5
"""Models that a refusal names."""


class _Tools(msgspec.Struct):
    tools: list[msgspec.Raw] | None = None


def lacking(spec: Spec, out: Request) -> str | None:
    """What the request needs and the model's engine cannot do; None if nothing, as far as that is known."""
    can = spec.terms.service.abilities
    if can is None or not out.ability:
        return None
    if out.ability not in can:
        return out.ability
    return TOOLS if TOOLS not in can and out.ability in _TALKS and _has_tools(out.body) else None


def refusal(spec: Spec, ability: str, gate: Gate, who: ClientKey | None) -> Problem:
    """Names the models that can, of those that are for the client."""
    able = [
        names(model, who)[0]
        for model in listed(gate, who)
        if ability in (model.spec.terms.service.abilities or ()) and model.spec.name != spec.name
    ]
    named = ", ".join(f"'{name}'" for name in able[:MOST_NAMED])
    hint = f"ask {named}" if named else "of no other model is it known that it can"
    text = f"cannot do {ability} with model '{spec.name}': {_why(spec, ability)}; {hint}"
    return Problem(UNSUPPORTED, text, param="model")


def _why(spec: Spec, ability: str) -> str:
    """What would have to change: another engine, or what the config says of this one."""
    kind = spec.terms.service.kind
    if ability not in KINDS[kind].can:
        return f"its engine ({kind}) does none"
    if kind == LLAMA_CPP and spec.terms.service.abilities == _TALKING and not spec.remote:
        return _UNTOLD[ability]
    keys = "'capabilities'"
    if kind == LLAMA_CPP and not spec.remote:
        keys += ", 'embeddings', 'reranking' or flags"
    return f"its {keys} in the config leave that out"


def _has_tools(body: bytes | None) -> bool:
    try:
        return bool(msgspec.json.decode(body or b"{}", type=_Tools).tools)
    except msgspec.DecodeError:
        return False  # the engine has words for it
