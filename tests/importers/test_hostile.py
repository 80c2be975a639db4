"""Whatever a file holds, the end is a draft or a reason, and soon."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.cli.importing import parsed
from swapd.config.author import written
from swapd.importers.recognise import KINDS, imported
from swapd.importers.sheet import CannotImport, Source
from tests.importers.conftest import draft

_WORDS = """
cmd models groups members macros proxy aliases ttl env ${PORT} ${a} ${b} a b llama-server -m x.gguf --port 1 docker
run -p 1:2 vllm services image command filters setParams selectors targets peers matrix sets vars & | ( ) apiKeys
hooks preload $( ` ' " $X ${ } \\ # ; > << = [ ] * nice numactl -C ExecStart=x [Service] -np -c -t
"""
WORDS = st.sampled_from(_WORDS.split())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
DOUBLES = "".join(f"  m{n}: '${{m{n + 1}}}${{m{n + 1}}}'\n" for n in range(200))
MODEL = "models: {x: {cmd: '${m0}'}}\n"


@settings(max_examples=40, deadline=None)
@given(text=st.lists(WORDS | st.sampled_from(["\n", " "]), max_size=30).map(" ".join), kind=st.sampled_from(KINDS))
def test_any_text_is_a_draft_or_a_reason(text, kind):
    try:
        written(draft(text, "" if kind == "ollama" else kind))
    except CannotImport as why:
        assert str(why)


@settings(max_examples=40, deadline=None)
@given(
    file=st.dictionaries(WORDS, VALUES, max_size=6), models=st.dictionaries(WORDS, VALUES, min_size=1, max_size=3)
)
def test_any_data_is_a_draft_or_a_reason(file, models):
    from swapd.importers import compose, llama_swap

    for module, key in ((llama_swap, "models"), (compose, "services")):
        try:
            written(module.imported(Source("", "/"), lambda _, key=key: {**file, key: models}))
        except CannotImport as why:
            assert str(why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("models:\n  a: [\n", "line [23]: this is not YAML"),
        (f"models: {{}}\n{BOMB}", "more than"),
        ("models: {a: 1}\nmodels: {}", "twice"),
        ("models: {}\n", "nothing to carry over"),
        (f"macros:\n{DOUBLES}  m200: ''\n{MODEL}", "too many others"),
        ("macros: {m0: '${b}', b: '${m0} x'}\n" + MODEL, "circle"),
        (MODEL, "no macro 'm0'"),
        ("services: {db: {image: postgres}}", "no service"),
        ("[Service]\nExecStart=/bin/true\n", "listen"),
        ("[Unit]\n[Service]\nExecStart='x\n", "split into words"),
    ],
)
def test_what_is_of_no_use_is_refused_with_the_reason(text, why):
    with pytest.raises(CannotImport, match=why):
        draft(text)


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 300_000 + "x <<EOF\n" + "\n" * 300_000,
        "$(" * 100_000,
        "models:\n" + "".join(f"  m{n}: {{cmd: 'x --port ${{PORT}}', aliases: [a]}}\n" for n in range(1200)),
        "groups: {g: {members: [" + ",".join(f"m{n}" for n in range(1200)) + "]}}\nmodels:\n"
        + "".join(f"  m{n}: {{cmd: 'x --port ${{PORT}}'}}\n" for n in range(1200)),
        "models:\n" + "".join(f"  '{' ' * n}m': {{cmd: 'x --port ${{PORT}}'}}\n" for n in range(500)),
        "[a]\n" + "k = v\n" * 50_000,
        "C:\\x " + " " * 200_000 + "x",
        "C:\\x\nset X=" + " " * 200_000 + '"x',
        "f() {\n" * 50_000,
        "f() { f() {\n" * 500 + " } }" * 500,
        "services: {a: {image: vllm, command: '" + "$X" * 100_000 + "'}}",
    ],
    ids=[
        *("blank", "open", "models", "group", "names", "preset"),
        *("windows", "batch", "functions", "nested", "variables"),
    ],
)  # fmt: skip
def test_a_large_file_takes_seconds_at_most(text):
    begun = time.monotonic()
    try:
        draft(text)
    except CannotImport as why:
        assert len(str(why)) < 300
    assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize(
    "text",
    [
        "no\n" * 200_000,
        "A='" * 100_000,
        'A="\\"\n' * 100_000,
        "A=x\n" + "A=$A$A\n" * 60,
        f"A={'x' * 1000}\nB={'$A' * 9999}",
    ],
    ids=["lines", "single", "double", "doubling", "long"],
)
def test_a_large_env_file_takes_seconds_at_most(text):
    begun = time.monotonic()
    stack = "services: {a: {image: vllm/vllm-openai, command: --model a/b --x $B}}"
    made = imported(Source(stack, "/", "-", lambda _: text), parsed)
    assert len(written(made)) < 100_000
    assert time.monotonic() - begun < 5.0


def test_controls_in_a_source_do_not_reach_the_reader():
    made = draft('models: {"a\\e[31m\\nb": {cmd: \'x --port ${PORT}\', "od\\ed": 1}}')
    assert "\x1b" not in written(made)
