"""The JSON Schema of the file, for editors: told by the same shapes that ``walk`` reads with."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from swapd.config import shapes
from swapd.config.schema import Config
from swapd.config.shapes import Shape


def json_schema() -> dict[str, Any]:
    """One object (draft 2020-12), complete with the schemas of all sections under ``$defs``."""
    sections: dict[str, Any] = {}
    _section(Config, sections)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "swapd.yaml"}
    return {**head, "$ref": "#/$defs/Config", "$defs": sections}


def _section(struct: type[msgspec.Struct], sections: dict[str, Any]) -> dict[str, Any]:
    name = struct.__name__
    if name not in sections:
        sections[name] = {}  # the place is taken first, so that the sections keep the order of the file
        sections[name] = {
            "type": ["object", "null"],
            "description": (struct.__doc__ or "").strip(),
            "properties": {key: _value(shape, sections) for key, shape in shapes.keys_of(struct).items()},
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


def _value(shape: Shape, sections: dict[str, Any]) -> dict[str, Any]:
    match shape:
        case shapes.Leaf():
            return dict(shape.json)
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


def _table(shape: shapes.Table, sections: dict[str, Any]) -> dict[str, Any]:
    table: dict[str, Any] = {"type": ["object", "null"]}
    if shape.named:
        table["patternProperties"] = {f"^({name})$": _value(one, sections) for name, one in shape.named.items()}
    table["additionalProperties"] = _value(shape.value, sections)
    names = {"type": "array", "items": {"type": "string"}}
    return {"anyOf": [table, names]} if shape.names_only else table
