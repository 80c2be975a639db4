"""Which model a request means, found without taking its body apart more than needed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from swapd.core.spec import Catalog, Edits
from swapd.web.errors import BAD_REQUEST, MODEL_REQUIRED, Problem


class Peek(msgspec.Struct):
    """The two keys that matter to a proxy; msgspec skips the rest of the body without building it."""

    model: str | None = None
    stream: bool | None = None


_decode = msgspec.json.Decoder(Peek).decode


def peek(body: bytes) -> Peek:
    """Look into a JSON body. Raises Problem (400) if it is not a JSON object, or ``model`` no string."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(BAD_REQUEST, f"cannot read the body as JSON: {error}") from None


def name_of(found: Peek, query: Mapping[str, str], catalog: Catalog) -> str:
    """The name asked for: body, then ``?model=``, then the config's default. Raises Problem (400)."""
    name = found.model or query.get("model") or catalog.default_model
    if not name:
        text = "cannot choose a model: the request names none and the config has no default_model"
        raise Problem(MODEL_REQUIRED, text, param="model")
    return name


def split_path(rest: str, catalog: Catalog) -> tuple[str, str]:
    """``{model}/{path}`` of a raw path into the model's name and the path; names may hold slashes.

    The longest name that the config knows wins; if it knows none, the first segment is the name.
    """
    parts = rest.split("/")
    for cut in range(len(parts), 0, -1):
        name = unquote("/".join(parts[:cut]))
        if catalog.resolve(name) is not None:
            return name, "/" + "/".join(parts[cut:])
    return unquote(parts[0]), "/" + "/".join(parts[1:])


def edited(body: bytes, edits: list[Edits], model: str | None) -> bytes:
    """The body with the model's and the alias's edits applied in turn, and the engine's own name put in.

    Untouched, to the byte, where there is nothing to edit.
    """
    if model is None and not any(edits):
        return body
    data: dict[str, Any] = json.loads(body)
    for edit in edits:
        for key in edit.strip:
            data.pop(key, None)
        data = {**edit.default, **data, **edit.set}
    if model is not None:
        data["model"] = model
    return json.dumps(data, separators=(",", ":")).encode()
