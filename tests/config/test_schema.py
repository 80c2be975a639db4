"""The schema is complete: every key of the design, working or refused by name."""

from __future__ import annotations

import pytest

from swapd.config import shapes
from swapd.config.schema import DESCRIBED, Config, Defaults, Model

WORKING = {
    Config: "default_model listen state_dir adoption trace include log macros admin clients insecure cors hosts "
    "trusted_proxies pools budget scheduling "
    "limits keepalive_comments defaults models",
    Model: "path command binary socket gpu_layers threads threads_batch context batch ubatch parallel device "
    "embeddings reranking mmproj draft lora args aliases ttl pinned preload priority concurrency unlisted "
    "description metadata env cwd stop health start_timeout stop_grace drain timeouts retry request "
    "upstream_model strict_json needs engine url api_key capabilities restart nice cpus oom_score_adj umask",
}
REFUSED = {
    Config: "tls",
    Model: "hf",
}


@pytest.mark.parametrize("struct", [Config, Model])
def test_every_key_of_the_design_is_known_and_no_other(struct):
    known = shapes.keys_of(struct)
    refused = {name for name, shape in known.items() if isinstance(shape, shapes.Later)}
    assert refused == set(REFUSED[struct].split())
    assert known.keys() - refused == set(WORKING[struct].split())


@pytest.mark.parametrize("key", REFUSED[Config].split())
def test_a_top_level_key_that_is_not_built_yet_is_refused(problems, key):
    (told,) = problems(f"{key}: {{a: 1}}\nmodels: {{}}")
    assert told.startswith(f"swapd.yaml:1:{len(key) + 3}: {key}: is not supported yet: ")


@pytest.mark.parametrize("key", REFUSED[Model].split())
def test_a_model_key_that_is_not_built_yet_is_refused(problems, key):
    (told,) = problems(f"models: {{m: {{command: 'x ${{port}}', {key}: 1}}}}")
    assert f": models.m.{key}: is not supported yet: " in told


def test_what_works_instead_is_said(problems):
    assert problems("models: {a: {hf: org/repo}}") == [
        "swapd.yaml:1:18: models.a.hf: is not supported yet: download the file and give its 'path'",
    ]


def test_defaults_are_all_keys_but_those_that_say_which_model_it_is():
    assert shapes.keys_of(Model).keys() - shapes.keys_of(Defaults).keys() == {
        "path",
        "command",
        "hf",
        "url",
        "api_key",
        "aliases",
    }


def test_the_keys_that_become_flags_are_known_apart():
    assert {"gpu_layers", "binary", "args"} <= DESCRIBED
    assert not DESCRIBED & {"ttl", "env", "path", "command", "health"}
