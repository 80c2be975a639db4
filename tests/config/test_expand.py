"""Variables and macros."""

from __future__ import annotations

import pytest


def described(loaded, text: str, **more) -> str:
    found = loaded(f'{text}\nmodels: {{m: {{path: /x, description: "${{it}}"}}}}\n', **more)
    assert found.problems == ()
    return found.catalog.models["m"].terms.service.listing.description


def test_variables_and_macros_become_text(loaded):
    assert described(loaded, "macros: {it: 'in ${env.GGUF_DIR}'}") == "in /srv/gguf"


def test_macros_may_use_each_other_in_any_order(loaded):
    assert described(loaded, "macros: {it: '${b}${b}', b: 'x${c}', c: 1}") == "x1x1"


@pytest.mark.parametrize(
    ("written", "meant"),
    [("$${x}", "${x}"), ("$$${x}", "$${x}"), ("5 $ and $x", "5 $ and $x"), ("$$", "$$"), ("a$", "a$")],
)
def test_a_bare_dollar_is_itself_and_a_doubled_one_escapes(loaded, written, meant):
    assert described(loaded, f"macros: {{it: '{written}'}}") == meant


def test_what_a_macro_holds_is_not_expanded_again(loaded):
    assert described(loaded, "macros: {it: '${a}', a: '$${a}'}") == "${a}"


def test_a_value_that_two_aliases_share_is_expanded_once(loaded):
    found = loaded("models:\n  a: &a {path: /x, description: '$${x}'}\n  b: *a\n  c: {<<: *a, ttl: 1s}\n")
    assert {s.terms.service.listing.description for s in found.catalog.models.values()} == {"${x}"}


def test_keys_are_never_expanded(loaded):
    found = loaded("models: {m: {path: /x, metadata: {'${a}': 1}}}")
    assert found.catalog.models["m"].terms.service.listing.metadata == {"${a}": 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: {m: {path: '${env.GGUF_DIRR}/x'}}",
         "swapd.yaml:1:20: models.m.path: the environment variable 'GGUF_DIRR' is not set (did you mean "
         "'GGUF_DIR'?): set it where swapd is started"),
        ("macros: {gguf: /x}\nmodels: {m: {path: '${ggfu}/x'}}",
         "swapd.yaml:2:20: models.m.path: there is no macro 'ggfu' (did you mean 'gguf'?): define it under "
         "'macros', or write '$${ggfu}' for the text itself"),
        ("models: {m: {command: 'x --port ${prot}'}}",
         "swapd.yaml:1:23: models.m.command: there is no macro 'prot' (did you mean 'port'?): define it under "
         "'macros', or write '$${prot}' for the text itself"),
        ("models: {m: {path: '/x/${gguf'}}",
         "swapd.yaml:1:20: models.m.path: '${gguf' is never closed: add '}', or write '$${gguf' "
         "for the text itself"),
        ("models: {m: {command: 'x $${port}'}}",
         "swapd.yaml:1:23: models.m.command: '$${port}' cannot be escaped: swapd fills it in wherever it stands"),
        ("macros: {port: 1}\nmodels: {m: {path: /x}}",
         "swapd.yaml:1:10: macros.port: 'port' is swapd's own: name it otherwise"),
        ("macros: {a b: 1}\nmodels: {m: {path: /x}}",
         "swapd.yaml:1:10: macros.a b: 'a b' cannot be a macro's name: use letters, digits, '_' and '-'"),
        ("macros: {a: '${b}', b: '${c}', c: '${b}'}\nmodels: {m: {path: '${a}'}}",
         "swapd.yaml:1:24: macros.b: the macro needs itself: b -> c -> b"),
        ("macros: {a: [1]}\nmodels: {m: {path: /x}}",
         "swapd.yaml:1:13: macros.a: must be a single value, not a list"),
    ],
)  # fmt: skip
def test_what_cannot_be_expanded_is_told_once_and_at_its_place(problems, text, told):
    assert problems(text) == [told]


def test_macros_that_double_each_other_are_bounded(problems):
    text = "macros:\n  a0: xxxxxxxxxxxxxxxx\n"
    text += "".join(f"  a{n + 1}: '${{a{n}}}${{a{n}}}'\n" for n in range(60))
    told = "macros.a13: grows beyond 65536 characters: do macros double each other?"
    assert problems(text + "models: {m: {path: '${a60}'}}") == [f"swapd.yaml:15:8: {told}"]
