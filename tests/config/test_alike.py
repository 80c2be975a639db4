"""Equal is not enough: to JSON, 1, 1.0 and true are three things."""

from __future__ import annotations

import pytest

from swapd.config.alike import alike
from swapd.config.schema import Edits
from swapd.core import spec


def wrapped(value: object) -> list[object]:
    """As the config holds what it was given."""
    return [value, [0, value], (value,), {"a": {"b": value}}, Edits(set={"n": value}), spec.Edits({"n": [value]})]


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0, False), (True, 1.0)])
def test_what_json_tells_apart_is_not_alike_however_deep_it_stands(one, other):
    for first, second, same in zip(wrapped(one), wrapped(other), wrapped(one), strict=True):
        assert first == second
        assert not alike(first, second)
        assert alike(first, same)


def test_what_differs_is_not_alike_and_order_is_no_difference():
    assert not alike({"a": 1}, {"a": 2})
    assert not alike(None, Edits())
    assert alike({"a": 1, "b": "x"}, {"b": "x", "a": 1})
