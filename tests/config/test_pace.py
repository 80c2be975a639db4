"""Long work in a thread leaves room for the others."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from swapd.config import pace
from swapd.config.pace import paced


def spent_resting(items: int, monkeypatch, uses: int = 1) -> list[float]:
    """The rests taken while each item costs a fifth of a spell, on a clock that nothing else moves."""
    rests: list[float] = []
    now = [1.0]
    monkeypatch.setattr(pace, "time", SimpleNamespace(sleep=rests.append, perf_counter=lambda: now[0]))
    for _ in range(uses):
        for _ in paced(range(items)):
            now[0] += pace.SPELL / 5
    return rests


def test_in_the_main_thread_nobody_waits_and_nothing_rests(monkeypatch):
    assert spent_resting(20, monkeypatch) == []


@pytest.mark.parametrize(("items", "uses"), [(50, 1), (1, 50)])
def test_in_another_thread_it_rests_at_first_and_after_every_spell(monkeypatch, items, uses):
    rests: list[float] = []
    worker = threading.Thread(target=lambda: rests.extend(spent_resting(items, monkeypatch, uses)))
    worker.start()
    worker.join()
    assert 8 <= len(rests) <= 11
    assert set(rests) == {pace.REST}


def test_all_items_come_in_order():
    found: list[int] = []
    worker = threading.Thread(target=lambda: found.extend(paced(range(1000))))
    worker.start()
    worker.join()
    assert found == list(range(1000))
