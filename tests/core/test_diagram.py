"""The drawn table is the table."""

from __future__ import annotations

import re

from swapd.core.diagram import mermaid
from swapd.core.engine import TABLE, State


def arrows() -> list[tuple[str, ...]]:
    return [m.groups() for m in re.finditer(r"^ {4}(\S+) --> (\S+): (.+)$", mermaid(), re.MULTILINE)]


def test_every_way_from_one_state_to_another_is_an_arrow_and_nothing_else_is() -> None:
    ways = [
        (state.name, target.name if target else "[*]")
        for state, cells in TABLE.items()
        for outcomes in cells.values()
        for _, target in outcomes
        if target is not state
    ]
    assert sorted((a, b) for a, b, _ in arrows()) == sorted([*ways, ("[*]", "STARTING")])


def test_an_arrow_names_its_signal_and_its_condition() -> None:
    assert ("READY", "DRAINING", "DRAIN") in arrows()
    assert ("STOPPING", "BACKOFF", "EXIT (after a fault)") in arrows()


def test_it_is_a_mermaid_diagram_in_which_every_state_can_be_reached() -> None:
    assert mermaid().splitlines()[0] == "stateDiagram-v2"
    assert {target for _, target, _ in arrows()} == {state.name for state in State} | {"[*]"}
