"""What the author writes reads as it was meant, and what people wrote stays as it was."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.config.author import CannotAdd, added, included, written
from swapd.config.compose import compose
from swapd.config.problems import Problems
from swapd.config.tree import plain_data
from swapd.core.draft import Draft, ModelDraft
from swapd.core.text import printable

DRAFT = Draft(
    head=("The first config of this machine.",),
    top={"default_model": "qwen", "listen": ["127.0.0.1:9292"], "scheduling": {"patience": "45s"}},
    remarks={"default_model": ("for clients that name none",)},
    models=(
        ModelDraft(
            "qwen",
            {"path": "/srv/my models/Qwen3-4B.gguf", "context": 32768, "aliases": ["gpt-4o", "yes"]},
            ("needs 4.1 GiB: fits",),
            {"context": "trained with 262144", "aliases": "other names"},
        ),
        ModelDraft("any", {"command": "my-server --port ${port}", "env": {"A": "1", "B": "1e3"}}),
    ),
    left=("the group 'x' has no counterpart",),
)
WRITTEN = """\
# The first config of this machine.

# for clients that name none
default_model: qwen
listen: ["127.0.0.1:9292"]
scheduling: {patience: 45s}

models:
  # needs 4.1 GiB: fits
  qwen:
    path: /srv/my models/Qwen3-4B.gguf
    context: 32768            # trained with 262144
    aliases: [gpt-4o, "yes"]  # other names

  any:
    command: my-server --port ${port}
    env: {A: "1", B: "1e3"}

# the group 'x' has no counterpart
"""
NEW = ModelDraft("new", {"path": "/new.gguf"}, ("just found",))


def test_a_draft_is_written_as_a_person_would_write_it():
    assert written(DRAFT) == WRITTEN


def test_what_is_written_loads(loaded):
    assert loaded(written(DRAFT)).problems == ()
    assert loaded(written(Draft())).problems == ()


def test_half_a_character_which_yaml_cannot_say_is_replaced():
    assert written(Draft(top={"trace": "a\ud800b"})) == "trace: a\ufffdb\n\nmodels: {}\n"


def test_long_lists_and_mappings_stand_an_entry_a_line_and_text_of_several_lines_keeps_them():
    keys = {
        "args": [f"--flag-{n}" for n in range(20)],
        "command": "docker run\nthe rest",
        "metadata": {
            "deep": [{"a": 1, "b": {"c": 2, "d": 3, "e": 4}, "f": 5}],
            "names": {str(n): "x" * 20 for n in range(9)},
        },
    }
    text = written(Draft(models=(ModelDraft("m", keys, (), {"args": "many", "command": "two lines"}),)))
    assert yaml.safe_load(text)["models"]["m"] == keys
    assert "    args:        # many\n      - --flag-0\n" in text
    assert "    command: |-  # two lines\n      docker run\n      the rest\n" in text
    assert "        - a: 1\n          b: {c: 2, d: 3, e: 4}\n" in text
    assert max(map(len, text.splitlines())) <= 110


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=24) | st.sampled_from(
    ["yes", "1e3", "0x10", "0o17", "~", "null", "12:30:45", "2020-01-01", "=", "<<", "a: b", "#", "- x", "? x",
     "...", "---", "${port}", "a #b", " a ", "\u202e", "\x85", "\ufeff", "😀", "\x00", "!t", "&a", "*a", "%TAG",
     "@x", "`x", "a\n\nb", "a\nb\n", "|", "[", "}", ",", ": ", "a:", "'", '"', "\\", "\t", "a\tb", "-", "?"]
)  # fmt: skip
values = st.recursive(
    words | st.integers(-(10**15), 10**15) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)
drafts = st.builds(
    ModelDraft,
    words,
    st.dictionaries(words, values, max_size=4),
    st.lists(words, max_size=2).map(tuple),
    st.dictionaries(words, words, max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(drafts, max_size=3, unique_by=lambda draft: draft.name), st.lists(words, max_size=2))
def test_whatever_is_written_reads_as_it_was_meant(models, lines):
    noted = tuple(
        ModelDraft(m.name, m.keys, m.remarks, {k: "#\n: x" for k in m.keys} | dict(m.notes)) for m in models
    )
    text = written(Draft(noted, tuple(lines), {"listen": lines}, {"models": tuple(lines)}, tuple(lines)))
    wanted = {m.name: dict(m.keys) for m in models}
    assert yaml.safe_load(text) == {"listen": lines, "models": wanted}
    problems = Problems()
    assert plain_data(compose(text, "x", problems))["models"].keys() == wanted.keys()
    assert printable(text) == text
    assert text.encode()
    for base in ("models:\n  old: {path: /x}\n", "models: {}\n", "models: {old: {path: /x}}\n"):
        if "old" not in wanted:
            more = yaml.safe_load(added(base, Draft(noted)))["models"]
            assert {name: keys for name, keys in more.items() if name != "old"} == wanted


COMMENTED = """\
# mine
models:      # all of them
    a:
        path: /a.gguf   # the first
        command: |
            x

        # ttl: 5m

    # b is off today
    # b: {path: /b}

# the rest
listen: 127.0.0.1:1   # here
"""


def test_models_are_added_below_the_last_one_and_every_other_line_stays():
    after = added(COMMENTED, Draft(models=(NEW,)))
    new = "\n    # just found\n    new:\n      path: /new.gguf\n"
    assert after == COMMENTED.replace("    # b: {path: /b}\n", "    # b: {path: /b}\n" + new)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "models:\n  # just found\n  new:\n    path: /new.gguf\n"),
        ("listen: x", "listen: x\n\nmodels:\n  # just found\n  new:\n    path: /new.gguf\n"),
        ("models:\n", "models:\n  # just found\n  new:\n    path: /new.gguf\n"),
        (
            "models: {} # none\nlog: {}\n",
            "models: # none\n  # just found\n  new:\n    path: /new.gguf\n\nlog: {}\n",
        ),
        (
            "models: {a: {path: /a}}  # one\n",
            "models: {a: {path: /a}, new: {path: /new.gguf}}  # one\n\n# new: just found\n",
        ),
        ("models:\n  a: {path: /a}", "models:\n  a: {path: /a}\n\n  # just found\n  new:\n    path: /new.gguf\n"),
        (
            "models:\n  a: &x\n    path: /a\n  b: *x\nlog: {}\n",
            "models:\n  a: &x\n    path: /a\n  b: *x\n\n  # just found\n  new:\n    path: /new.gguf\nlog: {}\n",
        ),
    ],
)
def test_models_are_added_however_the_file_is_written(before, after):
    assert added(before, Draft(models=(NEW,))) == after


def test_other_keys_are_added_at_the_end_unless_they_are_there():
    draft = Draft(top={"listen": "x", "include": ["models.d/*.yaml"]}, remarks={"include": ("more",)})
    assert added("listen: x # here\n", draft) == "listen: x # here\n\n# more\ninclude: [models.d/*.yaml]\n"


@pytest.mark.parametrize(
    ("before", "draft", "told"),
    [
        ("models: {new: {path: /x}}", Draft(models=(NEW,)), "cannot add 'new': the file has a model of that name"),
        ("listen: y", Draft(top={"listen": "x"}), "cannot add 'listen'"),
        ("a: [", Draft(), "no good YAML"),
        ("- a", Draft(), "no config"),
        ("models: [a]", Draft(models=(NEW,)), "no config"),
        ("a: 1\n...\n", Draft(models=(NEW,)), "cannot add"),
        ("{a: 1}", Draft(models=(NEW,)), "cannot add"),
        ("--- {models: {a: {path: /x}}}\n--- b", Draft(models=(NEW,)), "no good YAML"),
    ],
)
def test_what_cannot_be_added_is_refused(before, draft, told):
    with pytest.raises(CannotAdd, match=told):
        added(before, draft)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("include: a.yaml # one\n", "include: [a.yaml, new/*.yaml] # one\n"),
        ("include: [a.yaml] # one\nmodels: {}\n", "include: [a.yaml, new/*.yaml] # one\nmodels: {}\n"),
        ("include: []\n", "include: [new/*.yaml]\n"),
        ("include:\n- a.yaml\nlog: {}\n", "include:\n- a.yaml\n- new/*.yaml\nlog: {}\n"),
        ("include:\n  - a.yaml # one\n\nlog: {}\n", "include:\n  - a.yaml # one\n  - new/*.yaml\n\nlog: {}\n"),
        ("log: {}\n", "log: {}\n\ninclude: [new/*.yaml]\n"),
    ],
)
def test_an_include_gets_one_more_pattern(before, after):
    assert included(before, "new/*.yaml") == after


def test_an_include_that_is_left_empty_is_for_people_to_mend():
    with pytest.raises(CannotAdd, match="which is empty"):
        included("include:\n", "x.yaml")
