"""The JSON Schema says the same as the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from swapd.config.jsonschema import json_schema
from tests.config.test_standing import RIGHT, WRONG
from tests.config.test_walk import CASES

SCHEMA = json_schema()
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}


def fits(value, schema) -> bool:
    """As much of JSON Schema as ours uses."""
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if "not" in schema or ("const" in schema and value != schema["const"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if "type" in schema and not any(is_a(value, t) for t in [schema["type"]] if isinstance(t, str)):
        wanted = schema["type"] if isinstance(schema["type"], list) else []
        if not any(is_a(value, t) for t in wanted):
            return False
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    return children_fit(value, schema)


# What no pattern can tell is left to the loader; and to YAML 0027 is as much a number as 27.
WRONG_STANDING = [keys for keys, told in WRONG if not re.search("backwards|no CPU|'27'|'1777'", told)]


def is_a(value, kind: str) -> bool:
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    return isinstance(value, TYPES[kind])


def children_fit(value, schema) -> bool:
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {})) for item in value)
    if not isinstance(value, dict):
        return True
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    known |= {k: s for p, s in schema.get("patternProperties", {}).items() for k in value if re.search(p, k)}
    return all(
        fits(v, known[k]) if k in known else others is not False and fits(v, others) for k, v in value.items()
    )


def test_it_is_plain_json_and_every_reference_leads_somewhere():
    text = json.dumps(SCHEMA)
    names = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert names == SCHEMA["$defs"].keys()


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")), ids=lambda p: p.name
)
def test_the_example_configs_fit(path):
    assert fits(yaml.safe_load(path.read_text()), SCHEMA)


@pytest.mark.parametrize(
    "text",
    [text for text, told in CASES if "no key" in told or "must be a list" in told or "too small" in told]
    + [f"models: {{m: {{{keys}}}}}" for keys in WRONG_STANDING]
    + [
        "tls: {cert: x}",
        "clients: {a: {keys: x}}",
        "clients: {a: {rate: 5}}",
        "models: {m: {hf: a}}",
        "models: {m: {engine: vlm}}",
        "models: {m: {url: 'ftp://host'}}",
        "models: {m: {capabilities: [chatt]}}",
        "log: {level: loud}",
    ]
    + [f"budget: {{{entry}}}" for entry in ("ram: 3", "CUDA0: 22G", "cuda0: 1GiB", "big: 1GiB", "reserve: 1")]
    + ["models: {m: {needs: {ram: 3}}}", "models: {m: {needs: {reserve: 1GiB}}}"],
)
def test_what_the_loader_refuses_does_not_fit(text):
    assert not fits(yaml.safe_load(text), SCHEMA)


@pytest.mark.parametrize("keys", RIGHT)
def test_every_way_to_say_how_a_process_stands_fits(keys):
    assert fits(yaml.safe_load(f"models: {{m: {{{keys}}}}}"), SCHEMA)


def test_every_way_to_write_a_value_fits():
    text = (
        "listen: [127.0.0.1:1]\nbudget: {ram: 1.5GiB, CUDA0: 100 MB, big: 1, reserve: 1GiB}\nstate_dir: s\n"
        "trace: t\nclients: {a: {key: sk-12345, models: '*', rate: 120/min, concurrency: 8}, "
        "b: {key_file: k, models: [x], rate: {requests: 1.5k / hour, tokens: 50k/min}}, c: {credential: c}}\n"
        "models: {o: {needs: {ram: 2GiB, CUDA0: 0, big: 1}, device: auto}, "
        "m: {path: x, ttl: never, threads: auto, gpu_layers: all, device: CUDA0, "
        "lora: [a, b], aliases: [x], env: {A: 1}, metadata: {deep: [1]}, start_timeout: 3}, "
        "n: {aliases: {y: {}, z: }}}"
    )
    assert fits(yaml.safe_load(text), SCHEMA)
