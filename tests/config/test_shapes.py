"""Type hints as shapes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from swapd.config import shapes


class Inner(msgspec.Struct):
    flag: bool = False


class Outer(msgspec.Struct):
    data: Any = None
    table: dict[str, Any] = {}
    inner: Inner | None = None
    later: Annotated[Any, shapes.Later("use x")] = None
    paths: Annotated[tuple[str, ...], shapes.Many(shapes.FilePath())] = ()
    plain: tuple[Any, ...] = ()


class Open(msgspec.Struct):
    inner: Annotated[str, shapes.Leaf(str, {}, frozenset({"c"}))] = ""


class Odd(msgspec.Struct):
    what: complex = 0j


def test_each_hint_has_its_shape():
    known = shapes.keys_of(Outer)
    assert known == {
        "data": shapes.Free(),
        "table": shapes.Table(shapes.Free()),
        "inner": shapes.Section(Inner),
        "later": shapes.Later("use x"),
        "paths": shapes.Many(shapes.FilePath()),
        "plain": shapes.Many(shapes.Free()),
    }


def test_a_name_may_have_a_shape_of_its_own_however_it_is_spelt():
    table = shapes.Table(shapes.Free(), named={"a|b[0-9]": shapes.FilePath()})
    assert [table.shape_of(name) for name in ("a", "B1")] == [shapes.FilePath()] * 2
    assert [table.shape_of(name) for name in ("b", "aa", "xa")] == [shapes.Free()] * 3


def test_what_may_stay_open_is_found_however_deep():
    leaf, other = (shapes.Leaf(str, {}, frozenset({name})) for name in ("a", "b"))
    table = shapes.Table(shapes.Many(leaf), named={"x": other})
    assert shapes.open_in(table) == {"a", "b"}
    assert shapes.open_in(shapes.Free()) == set()
    assert shapes.open_in(shapes.Section(Open)) == {"c"}


def test_a_key_that_is_not_built_yet_says_what_works_instead():
    assert shapes.Later("use x").message == "is not supported yet: use x"
    assert shapes.Later().message == "is not supported yet: remove it"


def test_a_hint_without_a_shape_is_a_mistake_of_the_schema():
    with pytest.raises(AssertionError, match="no shape for"):
        shapes.keys_of(Odd)
