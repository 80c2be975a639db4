"""Groups and matrices as counters: who took turns takes turns, who ran together runs together."""

from __future__ import annotations

from itertools import combinations

import pytest

from swapd.importers import matrix, swap_turns
from swapd.importers.matrix import Inexpressible

MODELS = tuple("abcdefg")


def apart(found: swap_turns.Turns) -> set[str]:
    """The pairs that share a counter."""
    shared = (pair for members in found.counters.values() for pair in combinations(sorted(members), 2))
    return {"".join(pair) for pair in shared}


def group(members: str, **flags: bool) -> dict[str, object]:
    return {"members": list(members), **flags}


@pytest.mark.parametrize(
    ("groups", "pairs"),
    [
        ({"one": group("abc")}, "ab ac bc"),
        ({"one": group("abc", swap=False)}, ""),
        ({"one": group("ab"), "two": group("cd")}, "ab ac ad bc bd cd"),
        ({"one": group("ab"), "two": group("cd", swap=False)}, "ab ac ad bc bd"),
        ({"one": group("ab", swap=False), "two": group("cd", swap=False)}, "ac ad bc bd"),
        ({"one": group("ab"), "two": group("cd", exclusive=False, swap=False)}, "ab"),
        ({"one": group("ab"), "two": group("cd", persistent=True, swap=False)}, "ab"),
        ({"one": group("ab"), "two": group("cd", persistent=True)}, "ab cd"),
    ],
)
def test_two_take_turns_if_each_stopped_the_other(groups, pairs):
    assert apart(swap_turns.of({"groups": groups}, MODELS)) == set(pairs.split())


def test_a_group_of_which_one_runs_at_a_time_is_one_counter_of_its_name():
    found = swap_turns.of({"groups": {"big ones": group("abc")}}, MODELS)
    assert found.counters == {"group-big-ones": ["a", "b", "c"]}


def test_what_is_persistent_is_pinned_unless_its_members_take_turns():
    stay, turns = group("ab", persistent=True, swap=False), group("cd", persistent=True)
    found = swap_turns.of({"groups": {"stay": stay, "turns": turns}}, MODELS)
    assert found.pinned == {"a", "b"}
    assert "group 'turns': persistent" in found.lost[0]


@pytest.mark.parametrize(
    ("sets", "together"),
    [
        ({"s": "a & b"}, "ab"),
        ({"s": "(a | b) & c"}, "ac bc"),
        ({"s": "(a | b) & (c | d)"}, "ac ad bc bd"),
        ({"s": "a | b", "t": "+s & c"}, "ac bc"),
        ({"s": "a & b & c & d & e & f & g"}, " ".join("".join(p) for p in combinations("abcdefg", 2))),
        ({}, ""),
    ],
)
def test_a_matrix_says_who_may_run_together(sets, together):
    found = apart(swap_turns.of({"matrix": {"sets": sets}}, MODELS))
    every = {"".join(pair) for pair in combinations(MODELS, 2)}
    assert found == every - set(together.split())


@pytest.mark.parametrize(
    ("sets", "why"),
    [
        ({"s": "a & b", "t": "b & c", "u": "a & c"}, "two by two"),
        ({"s": "+t", "t": "+s"}, "needs itself"),
        ({"s": "a & (b"}, "never closed"),
        ({"s": "a &"}, "cannot be understood"),
        ({"s": "a ^ b"}, "cannot be understood"),
        ({"s": "+none"}, "no set"),
        ({"s": "nobody"}, "no model"),
        ({"s": "&".join(["(a|b)"] * 40)}, ""),
        ({"s": "(" * 5000}, "cannot be understood"),
        ({f"s{n}": f"+s{n + 1} & +s{n + 1}" for n in range(3000)}, ""),
    ],
)
def test_what_counters_cannot_say_is_told_and_memory_decides(sets, why):
    found = swap_turns.of({"matrix": {"sets": sets}}, MODELS)
    assert not found.counters or not why
    assert not why or why in found.lost[0]


def test_a_set_of_sets_is_bounded():
    wide = "|".join(f"(a&b&m{n})" for n in range(600))
    with pytest.raises(Inexpressible, match="combinations"):
        matrix.apart({"sets": {"s": wide}}, [*"ab", *(f"m{n}" for n in range(600))])
