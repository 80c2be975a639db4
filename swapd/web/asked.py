"""Which model a request means, found without taking its body apart more than needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec

from swapd.core.refusal import Reason, Refusal
from swapd.core.spec import Catalog, Edits
from swapd.core.text import one_line
from swapd.web.errors import BAD_REQUEST, MODEL_REQUIRED, Problem, of_refusal

LONGEST_NAME = 200
"""Characters. A longer name is nobody's, and not worth a place in queues, logs and events."""
_LONGEST_QUOTED = 3 * LONGEST_NAME
SHOWN = 60
"""Characters of a name that is refused which its refusal shows."""


class Peek(msgspec.Struct):
    """The two keys that matter to a proxy; msgspec skips the rest of the body without building it."""

    model: str | None = None
    stream: bool | None = None


_decode = msgspec.json.Decoder(Peek).decode
_split = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_BAD = (msgspec.DecodeError, ValueError, RecursionError)


def peek(body: bytes) -> Peek:
    """Look into a JSON body. Raises Problem (400) if it is not a JSON object, or ``model`` no string."""
    try:
        return _decode(body)
    except _BAD as error:
        raise unreadable(error) from None


def wants_stream(body: bytes) -> bool:
    """Whether a body, of whatever kind, asks for a stream."""
    try:
        return bool(_decode(body).stream)
    except _BAD:
        return False


def name_of(found: Peek, query: Mapping[str, str], catalog: Catalog, only: str | None = None) -> str:
    """The name asked for: body, then ``?model=``, then the config's default, then the ``only`` one there is.

    Raises Problem (400, 404).
    """
    name = found.model or query.get("model") or catalog.default_model or only
    if not name:
        text = "cannot choose a model: the request names none and the config has no default_model"
        raise Problem(MODEL_REQUIRED, text, param="model")
    return _sane(name)


def split_path(rest: str, catalog: Catalog) -> tuple[str, str]:
    """``{model}/{path}`` of a raw path into the model's name and the path; names may hold slashes.

    The longest name that the config knows wins; if it knows none, the first segment is the name. Raises Problem
    (404).
    """
    first, _, others = rest.partition("/")
    longest = rest[: _LONGEST_QUOTED + 1]
    ends = [n for n, letter in enumerate(longest) if letter == "/"]
    for end in reversed([*ends, len(rest)] if len(rest) <= _LONGEST_QUOTED else ends):
        name = unquote(rest[:end])
        if catalog.resolve(name) is not None or catalog.pool(name) is not None:
            return _sane(name), "/" + rest[end + 1 :]
    return _sane(unquote(first)), "/" + others


def edited(body: bytes, edits: Sequence[Edits], model: str | None) -> bytes:
    """The body with the model's and the alias's edits applied in turn, and the engine's own name put in.

    Only the top-level keys are told apart; each value stays the bytes that it was. Raises Problem (400).
    """
    try:
        data = _split(body)
    except _BAD as error:
        raise unreadable(error) from None
    for edit in edits:
        for key in edit.strip:
            data.pop(key, None)
        data = {**_raw(edit.default), **data, **_raw(edit.set)}
    if model is not None:
        data |= _raw({"model": model})
    return msgspec.json.encode(data)


def _sane(name: str) -> str:
    """The name, if a model could have it: else nobody but this client hears of it. Raises Problem (404)."""
    if len(name) > LONGEST_NAME:
        why = f"a name has at most {LONGEST_NAME} characters"
    elif not name.isprintable():
        why = "it has characters that cannot be printed"
    else:
        return name
    shown = one_line(name[:SHOWN]) + ("..." if len(name) > SHOWN else "")
    raise of_refusal(Refusal(Reason.UNKNOWN_MODEL, shown, detail=f": {why}"))


def _raw(values: Mapping[str, object]) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in values.items()}


def unreadable(error: Exception) -> Problem:
    """What is said of a body that cannot be read for this."""
    why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Problem(BAD_REQUEST, f"cannot read the body as JSON: {why}")
