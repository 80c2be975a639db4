"""The tree: what is empty, where things stand, and the data within."""

from __future__ import annotations

import pytest

from swapd.config.problems import Place
from swapd.config.tree import Entry, Map, Scalar, Seq, kind, plain_data

HERE, THERE = Place("f", 1, 1), Place("f", 2, 5)


def mapping(**values) -> Map:
    return Map(HERE, {name: Entry(Scalar(name, HERE), value) for name, value in values.items()})


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_nothing_and_null_are_empty_unless_quoted(text):
    assert Scalar(text, HERE).empty
    assert not Scalar(text, HERE, plain=False).empty


def test_an_empty_value_counts_as_not_given():
    tree = mapping(a=Scalar("", THERE), b=Scalar("x", THERE))
    assert tree.get("a") is None
    assert tree.get("c") is None
    assert tree.get("b").text == "x"


def test_a_missing_key_stands_where_its_mapping_does():
    tree = mapping(a=Scalar("x", THERE))
    assert tree.place_of("a") == THERE
    assert tree.place_of("z") == HERE


def test_every_kind_of_node_has_a_word():
    nodes = [mapping(), Seq(HERE), Scalar("", HERE), Scalar("x", HERE)]
    assert [kind(node) for node in nodes] == ["a mapping", "a list", "nothing", "'x'"]


def test_quoted_numbers_stay_text_in_free_data():
    tree = mapping(a=Seq(HERE, [Scalar("1", HERE), Scalar("1", HERE, plain=False)]), b=Scalar("off", HERE))
    assert plain_data(tree) == {"a": [1, "1"], "b": "off"}
