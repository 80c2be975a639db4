"""Each name means one thing."""

from __future__ import annotations

import pytest

from swapd.core.spec import Alias, Edits


def test_aliases_are_a_list_or_a_mapping_with_edits(loaded):
    edits = "{set: {t: 0}, default: {k: 1}, strip: [s]}"
    text = f"models: {{a: {{path: /x, aliases: [b]}}, c: {{path: /x, aliases: {{d: {edits}}}}}}}"
    assert loaded(text).catalog.aliases == {
        "b": Alias("b", "a"),
        "d": Alias("d", "c", Edits({"t": 0}, {"k": 1}, ("s",))),
    }


def test_an_alias_that_is_a_model_s_name_is_told_with_the_other_place(problems, tmp_path):
    (told,) = problems("models:\n  a: {path: /x, aliases: [b]}\n  b: {path: /y}\n")
    assert told == (
        "swapd.yaml:2:27: models.a.aliases.b: 'b' is already the name of the model 'b' at swapd.yaml:3:3: "
        "choose another name"
    )


def test_two_models_with_one_alias_are_told_even_across_files(problems):
    text = "include: more.yaml\nmodels: {a: {path: /x, aliases: {z: {}}}}\n"
    (told,) = problems(text, more="models:\n  b: {path: /y, aliases: [z]}\n")
    assert told == (
        "more.yaml:2:27: models.b.aliases.z: 'z' is already an alias of 'a' at swapd.yaml:2:34: "
        "choose another name"
    )


def test_an_alias_named_twice_is_told(problems):
    (told,) = problems("models: {a: {path: /x, aliases: [z, z]}}")
    assert "'z' is already an alias of 'a' at swapd.yaml:1:34" in told


def test_an_alias_of_a_model_s_own_name_is_told(problems):
    (told,) = problems("models: {a: {path: /x, aliases: [a]}}")
    assert "'a' is already the name of the model 'a'" in told


def test_default_model_is_a_model_or_an_alias(loaded, problems):
    models = "models: {qwen: {path: /x, aliases: [gpt]}}"
    assert loaded(f"default_model: gpt\n{models}").catalog.default_model == "gpt"
    assert problems(f"default_model: qwem\n{models}") == [
        "swapd.yaml:1:16: default_model: there is no model, alias or pool 'qwem' (did you mean 'qwen'?)"
    ]


@pytest.mark.parametrize("name", ["a b", "", "a\\tb", "a${x}", "\\u200b"])
def test_a_name_is_one_printable_word(problems, name):
    (told,) = problems(f'models: {{"{name}": {{path: /x}}}}')
    assert "cannot be a name: it is one word without spaces, control characters or '${'" in told


def test_an_alias_is_one_printable_word_too(problems):
    (told,) = problems("models: {m: {path: /x, aliases: [a b]}}")
    assert told.startswith("swapd.yaml:1:34: models.m.aliases.a b: 'a b' cannot be a name")


def test_numbers_and_slashes_and_accents_are_good_names(loaded):
    found = loaded("models: {70: {path: /x}, org/m:q4: {path: /x}, é: {path: /x}, on: {path: /x}}")
    assert list(found.catalog.models) == ["70", "org/m:q4", "é", "on"]


def test_an_alias_that_cannot_be_read_is_told_once(problems):
    assert problems("models: {m: {path: /x, aliases: ['${nope}', [a]]}}", environ={}) == [
        "swapd.yaml:1:34: models.m.aliases[0]: there is no macro 'nope': define it under 'macros', "
        "or write '$${nope}' for the text itself",
        "swapd.yaml:1:45: models.m.aliases[1]: must be a single value, not a list",
    ]
