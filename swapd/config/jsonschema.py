"""The JSON Schema of the file, for editors: told by the same shapes that ``walk`` reads with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, assert_never

import msgspec

from swapd.config import shapes
from swapd.config.schema import Config
from swapd.config.shapes import Shape
from swapd.config.told import told
from swapd.config.told_models import Key

FILE = "swapd.schema.json"
"""Where editors look for it: beside the config that names it in its first line."""
MODELINE = f"yaml-language-server: $schema=./{FILE}"
"""The comment by which they are told (yaml-language-server, its README)."""


_REFERENCE = {"type": "string", "pattern": r"\$\{[^}]+\}"}


def json_schema() -> dict[str, Any]:
    """One object (draft 2020-12), complete with the schemas of all sections under ``$defs``."""
    sections: dict[str, Any] = {}
    _section(Config, sections)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "swapd.yaml"}
    return {**head, "$ref": "#/$defs/Config", "$defs": sections}


def described(key: Key) -> dict[str, Any]:
    """What editors show of a key; in Markdown where they can (yaml-language-server and VS Code do)."""
    what = re.sub(r"[;:,]? see (above|below)", "", key.what)
    shown: dict[str, Any] = {"description": what.replace("`", ""), "markdownDescription": what}
    if key.default is not None:
        shown["default"] = key.default
    if key.examples:
        shown["examples"] = list(key.examples)
    return shown


def _section(struct: type[msgspec.Struct], sections: dict[str, Any]) -> dict[str, Any]:
    name = struct.__name__
    if name not in sections:
        sections[name] = {}  # the place is taken first, so that the sections keep the order of the file
        sections[name] = {
            "type": ["object", "null"],
            "description": (struct.__doc__ or "").strip(),
            "properties": _properties(struct, sections),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _properties(struct: type[msgspec.Struct], sections: dict[str, Any]) -> dict[str, Any]:
    texts = told(struct)
    return {
        key: _value(shape, sections) | (described(texts[key]) if key in texts else {})
        for key, shape in shapes.keys_of(struct).items()
    }


def _value(shape: Shape, sections: dict[str, Any]) -> dict[str, Any]:
    match shape:
        case shapes.Leaf():
            return _or_reference(shape.json)
        case shapes.FilePath():
            return {"type": "string"}
        case shapes.Many():
            item = _value(shape.item, sections)
            many = {"type": "array", "items": item}
            return many if shape.strict else {"anyOf": [item, many]}
        case shapes.Table():
            return _table(shape, sections)
        case shapes.Section():
            whole = _section(shape.struct, sections)
            if shape.short is None:
                return whole
            return {"anyOf": [_value(shapes.keys_of(shape.struct)[shape.short], sections), whole]}
        case shapes.Free():
            return {}
        case shapes.Later():
            return {"not": {}, "description": shape.message}
        case _:
            assert_never(shape)


def _or_reference(leaf: Mapping[str, Any]) -> dict[str, Any]:
    """A value as it is, or as a text with a macro or a variable in it, which is put in first."""
    types = leaf.get("type", ())
    is_text = "string" in ([types] if isinstance(types, str) else types) and "pattern" not in leaf
    return dict(leaf) if is_text else {"anyOf": [dict(leaf), dict(_REFERENCE)]}


def _table(shape: shapes.Table, sections: dict[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = {"type": ["object", "null"]}
    if shape.named:
        table["patternProperties"] = {f"^({name})$": _value(one, sections) for name, one in shape.named.items()}
    table["additionalProperties"] = _value(shape.value, sections)
    names = {"type": "array", "items": {"type": ["string", "number", "boolean"]}}
    return {"anyOf": [table, names]} if shape.names_only else table
