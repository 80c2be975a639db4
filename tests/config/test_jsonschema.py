"""The JSON Schema says the same as the loader."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from swapd.config import shapes
from swapd.config.compose import compose
from swapd.config.jsonschema import json_schema
from swapd.config.problems import Problems
from swapd.config.schema import Config
from swapd.config.told import told
from swapd.config.walk import Walk
from swapd.config.wording import scalar
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


def structs():
    """Every section of the file."""
    waiting, met = [Config], []
    while waiting:
        struct = waiting.pop()
        met.append(struct)
        for shape in shapes.keys_of(struct).values():
            below = shape.value if isinstance(shape, shapes.Table) else shape
            if isinstance(below, shapes.Section) and below.struct not in met + waiting:
                waiting.append(below.struct)
    return met


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_every_key_is_described_and_its_default_is_the_one_that_counts(struct):
    known = {n: s for n, s in shapes.keys_of(struct).items() if not isinstance(s, shapes.Later)}
    texts = {n: key for n, key in told(struct).items() if n in known}
    assert texts.keys() == known.keys()
    usual = struct()
    for name, key in texts.items():
        value, problems = getattr(usual, name), Problems()
        if key.default is None:
            assert value in (None, (), {}, msgspec.UNSET) or isinstance(value, msgspec.Struct) or key.words
            continue
        node = compose(f"{name}: {scalar(key.default)}", "x", problems)
        read = getattr(Walk(problems, "/").section(struct, node, ""), name)
        assert not problems
        # What 'auto' leaves open reads as None; everything else is the value itself.
        assert read == value


def test_descriptions_are_plain_for_those_who_show_no_markdown():
    told_of_ttl = SCHEMA["$defs"]["Model"]["properties"]["ttl"]
    assert told_of_ttl["default"] == "10m"
    assert told_of_ttl["description"] == "idle time after which the engine is stopped, or never"
    assert told_of_ttl["markdownDescription"] == "idle time after which the engine is stopped, or `never`"
    assert "see below" not in json.dumps(SCHEMA)
    assert "see above" not in json.dumps(SCHEMA)


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(SCHEMA)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")), ids=lambda p: p.name
)
def test_the_example_configs_fit_as_others_read_the_schema(path, validator):
    assert list(validator.iter_errors(yaml.safe_load(path.read_text()))) == []


def test_the_schema_is_one_and_its_defaults_and_examples_fit_it(validator):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for section in SCHEMA["$defs"].values():
        for schema in section["properties"].values():
            for value in [schema[key] for key in ["default"] if key in schema] + schema.get("examples", []):
                assert validator.evolve(schema={**schema, "$defs": SCHEMA["$defs"]}).is_valid(value)


@pytest.mark.parametrize(
    "text",
    ["modles: {}", "models: {m: {contxt: 1}}", "models: [m]", "models: {m: {path: /x, pinned: maybe}}",
     "models: {m: {context: big}}", "listen: {port: 1}", "log: {level: loud}", "pools: {p: [a]}", "tls: {}"],
)  # fmt: skip
def test_usual_mistakes_are_underlined(text, validator):
    assert not validator.is_valid(yaml.safe_load(text))


SIMPLE = {
    "context": st.integers(0, 10**6),
    "ttl": st.sampled_from(["10m", 5, "never", "1.5h"]),
    "pinned": st.booleans(),
    "gpu_layers": st.sampled_from(["all", "auto", 0, 40, -1]),
    "nice": st.integers(-25, 25),
    "device": st.sampled_from(["auto", ["CUDA0"], [], 3, None]),
    "aliases": st.sampled_from([["a"], {"a": {}}, {"a": {"set": {"x": 1}}}, "a", {"a": {"sett": 1}}]),
    "timeouts": st.sampled_from(
        [{"idle": "1m"}, {"idle": "never"}, {"routes": {"chat": {"idle": 3}}}, {"idel": 1}]
    ),
    "needs": st.sampled_from([{"ram": "1GiB"}, {"ram": 3}, {"big": 1}, {"big": "x"}]),
}


@given(st.fixed_dictionaries({}, optional=SIMPLE))
def test_what_the_loader_takes_fits(keys):
    text = json.dumps({"models": {"m": {"path": "/x", **keys}}})
    problems = Problems()
    root = compose(text, "x", problems)
    Walk(problems, "/").section(Config, root, "")
    assert bool(problems) != fits(json.loads(text), SCHEMA)


def test_what_macros_and_variables_may_stand_for_is_no_mistake_to_an_editor():
    model = {"path": "/x", "context": "${tokens}", "engine": "${kind}", "pinned": "${env.PIN}", "aliases": [1]}
    config = {"models": {"a": model}, "budget": {"ram": "${env.RAM}"}}
    jsonschema.validate(config, SCHEMA)
    for wrong in ({"context": "many"}, {"engine": "$kind"}, {"pinned": "yes, please"}):
        assert not fits({"models": {"a": model | wrong}}, SCHEMA)
