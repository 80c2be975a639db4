"""Every cell of State × Signal, against the table of the design, written out here once more."""

from __future__ import annotations

from copy import deepcopy

import pytest

from swapd.core.book import Book, Engine, Phase
from swapd.core.engine import RESTING, WINDING_DOWN, Endpoint, IllegalSignal, RunId, Signal, State, When, follow
from swapd.core.moves import Moves
from tests.core.play import model

SIGNALS = ["READY", "DRAIN", "STOP", "SAVED", "EXIT", "OVERDUE", "COOLED"]
DESIGN = """
STARTING | READY    | -        | STOPPING           | -        | BACKOFF or FAILED       | STOPPING | -
READY    | -        | DRAINING | SAVING or STOPPING | -        | BACKOFF or FAILED       | -        | -
DRAINING | -        | -        | SAVING or STOPPING | -        | gone                    | STOPPING | -
SAVING   | -        | -        | STOPPING           | STOPPING | gone                    | STOPPING | -
STOPPING | STOPPING | -        | -                  | STOPPING | gone, BACKOFF or FAILED | KILLING  | -
KILLING  | -        | -        | -                  | -        | gone, BACKOFF or FAILED | KILLING  | -
BACKOFF  | -        | -        | gone               | -        | -                       | -        | gone
FAILED   | -        | -        | gone               | -        | -                       | -        | gone
"""
CELLS = {
    (row.split("|")[0].strip(), signal): cell.strip()
    for row in DESIGN.strip().splitlines()
    for signal, cell in zip(SIGNALS, row.split("|")[1:], strict=True)
}
CONDITIONS = {
    "nothing": frozenset[When](),
    "it saves its slots": frozenset({When.SAVES}),
    "after a fault": frozenset({When.FAULT}),
    "after too many faults": frozenset({When.FAULT, When.GIVEN_UP}),
}
ANSWERS = {
    "SAVING or STOPPING": {"it saves its slots": "SAVING", "else": "STOPPING"},
    "BACKOFF or FAILED": {"after too many faults": "FAILED", "else": "BACKOFF"},
    "gone, BACKOFF or FAILED": {"after too many faults": "FAILED", "after a fault": "BACKOFF", "else": "gone"},
}


def test_the_design_knows_every_state_and_signal() -> None:
    assert {state for state, _ in CELLS} == {state.name for state in State}
    assert set(SIGNALS) == {signal.value for signal in Signal}


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("state", State)
def test_each_cell_is_as_designed(state: State, signal: Signal, condition: str) -> None:
    cell = CELLS[state.name, signal.value]
    if cell == "-":
        with pytest.raises(IllegalSignal, match=f"{signal.value} in {state.name}"):
            follow(state, signal, CONDITIONS[condition])
        return
    ways = ANSWERS.get(cell, {"else": cell})
    target = follow(state, signal, CONDITIONS[condition])
    assert (target.name if target else "gone") == ways.get(condition, ways["else"])


@pytest.mark.parametrize(("state", "signal"), [key for key, cell in CELLS.items() if cell == "-"])
def test_an_illegal_signal_raises_and_changes_nothing(state: str, signal: str) -> None:
    engine = Engine(RunId("a", 1), model("a"), Phase(State[state], 1.0, 2.0))
    book = Book(engines={"a": engine})
    before = deepcopy(engine)
    moves = Moves(book, 3.0, lambda: 0.0)
    with pytest.raises(IllegalSignal):
        moves._advance(engine, Signal[signal])
    assert (book.engines, moves.commands) == ({"a": before}, [])


def test_winding_down_and_resting_are_told_apart() -> None:
    assert {State.DRAINING, State.SAVING, State.STOPPING, State.KILLING} == WINDING_DOWN
    assert {State.BACKOFF, State.FAILED} == RESTING


def test_a_run_and_its_endpoint_have_names() -> None:

    assert str(RunId("qwen", 7)) == "qwen#7"
    assert str(Endpoint("127.0.0.1", 8080)) == "http://127.0.0.1:8080"
