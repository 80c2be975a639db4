"""YAML's traps: each a problem at its place, never a traceback, and nothing exhausted."""

from __future__ import annotations

import pytest

from swapd.config import compose as module
from swapd.config.compose import Unreadable, compose
from swapd.config.problems import Problems
from swapd.config.tree import plain_data

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(60))


def read(text: str):
    problems = Problems()
    node = compose(text, "f", problems)
    return plain_data(node), [str(problem) for problem in problems.sorted()]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "f:1:1 the file is empty: it needs at least 'models:'"),
        ("# a comment\n", "f:1:1 the file is empty: it needs at least 'models:'"),
        ("null\n", "f:1:1 the file is empty: it needs at least 'models:'"),
        ("a: {b: 1\nc: 2\n", "f:2:2 this is not YAML: did not find expected ',' or '}' while parsing a flow "
         "mapping that begins in line 1"),
        ("a: 'never closed\n", "f:2:1 this is not YAML: the quote that opens in line 1 is never closed"),
        ("a: b: c\n", "f:1:5 this is not YAML: mapping values are not allowed in this context; mostly this line "
         "is indented deeper than its neighbours, the line above has no blank after its ':', or a value with ': ' "
         "in it has no quotes"),
        ("a:\n\tb: c\n", "f:2:1 a tab cannot indent YAML: use spaces"),
        ("a: {b: ${c}/d}\n", "f:1:9 this is not YAML: did not find expected ',' or '}' while parsing a flow "
         "mapping that begins in line 1; within {...} or [...] a value that holds ${...} needs quotes: "
         '"${...}"'),
        ("a: 1\n---\nb: 2\n", "f:2:1 a second document begins here: one file holds one, remove the '---'"),
        ("a: &base 1\nb: *bass\n", "f:2:4 '*bass' names no anchor (did you mean 'base'?)"),
        ("a: &a {b: *a}\n", "f:1:11 '*a' stands within the very thing it names"),
        ("? [a]\n: 1\n", "f:1:3 a key must be a single word or number"),
        ("a: " + "[" * 100_000, "f:1:43 nested deeper than 40 levels: that cannot be meant"),
        (CHAIN, "f:40:12 nested deeper than 40 levels: that cannot be meant"),
        (BOMB, "f:6:8 the file holds more than 200000 values: use fewer aliases or lines"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_place(text, told):
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert f"{caught.value.place} {caught.value}" == told


def test_the_parser_without_libyaml_reads_the_same(monkeypatch):
    text = "a: &a {x: 1, 'y': \"2\"}\nb: {<<: *a, x: 3}\nc: [on, 010, ~]\n"
    fast = read(text)
    monkeypatch.setattr(module, "_Loader", module.yaml.SafeLoader)
    assert read(text) == fast == ({"a": {"x": 1, "y": "2"}, "b": {"x": 3, "y": "2"}, "c": ["on", 10, None]}, [])
    with pytest.raises(Unreadable, match="this is not YAML"):
        read("a: [1\nb: 2\n")


def test_a_key_given_twice_is_a_problem_at_the_second():
    data, told = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert data == {"a": 1, "b": {"c": 1}}
    assert told == [
        "f:4:3: c: 'c' is given twice, first in line 3: remove one",
        "f:5:1: a: 'a' is given twice, first in line 1: remove one",
    ]


def test_keys_are_text_whatever_yaml_would_make_of_them():
    data, _ = read("70: a\non: b\n~: c\n1.5: d\n")
    assert list(data) == ["70", "on", "~", "1.5"]


def test_merged_keys_come_last_and_the_earlier_source_wins():
    data, told = read("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\n")
    assert data["c"] == {"x": 3, "y": 1, "z": 2}
    assert told == []


def test_only_mappings_can_be_merged():
    _, told = read("a: &a 1\nb: {<<: *a}\n")
    assert told == ["f:1:4: <<: only mappings can be merged: name an anchor of one"]


def test_tags_have_no_meaning_but_str_makes_text():
    data, told = read("a: !!python/name:os.system x\nb: !!str 5\n")
    assert data["b"] == "5"
    assert told == ["f:1:4: the tag 'tag:yaml.org,2002:python/name:os.system' has no meaning here: remove it"]


def test_a_nul_character_is_a_problem_even_if_it_is_escaped():
    _, told = read('a: "x\\0y"\n')
    assert told == ["f:1:4: a NUL character cannot stand in any value: remove it"]


def test_windows_line_ends_change_nothing():
    assert read("a: 1\r\nb:\r\n  c: x\r\n") == ({"a": 1, "b": {"c": "x"}}, [])
