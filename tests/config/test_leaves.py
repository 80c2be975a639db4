"""The kinds of values that are more than a number or a word."""

from __future__ import annotations

import pytest

from swapd.config import leaves


def test_a_command_is_split_as_a_shell_would():
    assert leaves.words("a 'b c' \"d e\" f\\ g #h") == ("a", "b c", "d e", "f g", "#h")


def test_a_backslash_at_the_end_of_a_line_goes_on_in_the_next():
    assert leaves.words("a \\\n  --b c\n") == ("a", "--b", "c")


def test_unbalanced_quotes_are_told():
    with pytest.raises(ValueError, match="cannot be split into words: no closing quotation; check the quotes"):
        leaves.words("a 'b")


def test_a_command_of_blanks_is_told():
    with pytest.raises(ValueError, match="is empty: give it a command or remove the key"):
        leaves.words(" \n")


def test_a_health_path_begins_with_a_slash():
    assert leaves.web_path("/health") == "/health"
    with pytest.raises(ValueError, match="'health' is not a path: begin it with '/'"):
        leaves.web_path("health")


@pytest.mark.parametrize("text", ["0", "0s", "0ms"])
def test_a_bound_that_leaves_no_time_is_none(text):
    with pytest.raises(ValueError, match=f"'{text}' leaves no time at all: give a duration, or 'never'"):
        leaves.bound(text)
    assert (leaves.bound("never"), leaves.bound("1ms")) == (None, 0.001)
