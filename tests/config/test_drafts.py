"""Defaults beneath the models."""

from __future__ import annotations


def test_a_model_s_own_key_wins_over_the_default(loaded):
    catalog = loaded("defaults: {ttl: 1m, threads: 2}\nmodels: {a: {path: /x}, b: {path: /x, ttl: 5m}}").catalog
    assert [spec.terms.stay.ttl for spec in catalog.models.values()] == [60, 300]
    assert "--threads 2" in " ".join(catalog.models["b"].launch.argv)


def test_variables_and_needs_merge(spec):
    made = spec(
        "budget: {a: 3, b: 3}\ndefaults: {env: {X: 1, Y: 1}, needs: {a: 1, b: 1}}\n"
        "models: {m: {path: /x, env: {Y: 2}, needs: {b: 2}}}"
    )
    assert made.launch.env == (("X", "1"), ("Y", "2"))
    assert made.terms.cost == {"a": 1, "b": 2}


def test_other_mappings_and_lists_do_not_merge(spec):
    made = spec(
        "defaults: {timeouts: {idle: 1s, connect: 1s}, args: [-a1]}\n"
        "models: {m: {path: /x, timeouts: {idle: 2s}, args: [-b1]}}"
    )
    assert (made.terms.service.timeouts.idle, made.terms.service.timeouts.connect) == (2, 5)
    assert "-a1" not in made.launch.argv


def test_defaults_that_describe_are_not_applied_to_a_command(spec):
    made = spec("defaults: {gpu_layers: 9, args: [-x], ttl: 1m}\nmodels: {m: {command: 'x ${port}'}}")
    assert made.launch.argv == ("x", "${port}")
    assert made.terms.stay.ttl == 60


def test_a_wrong_default_is_told_once_at_its_own_place(problems):
    assert problems("defaults: {ttl: 5x, threds: 1}\nmodels: {a: {path: /x}, b: {path: /x}}") == [
        "swapd.yaml:1:17: defaults.ttl: '5x' is not a duration: write it like 500ms, 30s, 15m, 1h or 2d, or never",
        "swapd.yaml:1:21: defaults.threds: there is no key 'threds' here (did you mean 'threads'?)",
    ]


def test_what_says_which_model_it_is_cannot_be_a_default(problems):
    assert problems("defaults: {path: /x, aliases: [a]}\nmodels: {m: {path: /x}}") == [
        "swapd.yaml:1:12: defaults.path: cannot be a default: give it in each model",
        "swapd.yaml:1:22: defaults.aliases: cannot be a default: give it in each model",
    ]


def test_the_model_s_name_in_a_default_is_each_model_s_own(loaded):
    catalog = loaded("defaults: {args: [--log, '/l/${model}']}\nmodels: {a: {path: /x}, b: {path: /x}}").catalog
    assert [spec.launch.argv[-1] for spec in catalog.models.values()] == ["/l/a", "/l/b"]


def test_a_model_that_is_no_mapping_is_told(problems):
    message = "must be a mapping with a 'path', a 'command' or a 'url', not"
    assert problems("models:\n  a:\n  b: /x\n  c: [1]\n") == [
        f"swapd.yaml:2:5: models.a: {message} nothing",
        f"swapd.yaml:3:6: models.b: {message} '/x'",
        f"swapd.yaml:4:6: models.c: {message} a list",
    ]


def test_defaults_that_are_no_mapping_are_told(problems):
    assert problems("defaults: 5\nmodels: {}") == ["swapd.yaml:1:11: defaults: must be a mapping of keys, not '5'"]


def test_a_relative_path_starts_from_the_file_that_names_it(loaded, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.yaml").write_text("models: {b: {path: b.gguf, cwd: ., binary: ../bin/llama}}")
    text = (
        "include: sub/more.yaml\ndefaults: {mmproj: p.gguf}\nmodels: {a: {path: ../a.gguf, lora: l, draft: ~/d}}"
    )
    catalog = loaded(text).catalog
    a, b = (" ".join(spec.launch.argv) for spec in catalog.models.values())
    assert f"-m {tmp_path.parent}/a.gguf" in a
    assert (
        f"--mmproj {tmp_path}/p.gguf --model-draft /home/ada/d --spec-type draft-simple --lora {tmp_path}/l" in a
    )
    assert f"{tmp_path}/bin/llama " in b
    assert f"-m {tmp_path}/sub/b.gguf" in b
    assert f"--mmproj {tmp_path}/p.gguf" in b
    assert catalog.models["b"].launch.cwd == f"{tmp_path}/sub"
