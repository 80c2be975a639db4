"""Why a model that is wanted is not up: a verdict for each stand. (WEIGHING and STRANGERS are in test_memory.)"""

from __future__ import annotations

from dataclasses import replace

from swapd.core.need import Way
from swapd.core.placement import sharers
from swapd.core.spec import Standing
from swapd.core.verdict import Stand, Verdict
from tests.core.play import Play, model


def test_its_own_old_engine_is_on_its_way_out() -> None:
    play = Play("a").up("a").unloads("a").asks("a", 1).forgets()
    assert play.stand("a").stand is Stand.LEAVING


def test_it_rests_after_a_first_crash() -> None:
    play = Play("a").up("a").exits("a#1").asks("a", 1)
    assert play.stand("a") == Verdict(Stand.RESTING)
    play.sleeps().forgets()
    assert "a" not in play.scheduler.book.verdicts


def test_room_is_on_its_way() -> None:
    play = Play("a", "b").up("a").after(30).asks("b", 1).forgets()
    assert play.stand("b").stand is Stand.ROOM_COMING


FREE = model("free", cost={})
"""So that the walk never ends early: there is always something that fits."""


def test_an_idle_engine_is_kept_for_a_client_expected_back() -> None:
    play = Play("a", "b", FREE).up("a").asks("b", 1, client="x").silence()
    assert play.stand("b") == Verdict(Stand.OTHERS_LINGER, ("a",), {"engines": 1})


def test_others_are_busy_then_held_once_patience_is_over_and_who_comes_later_stands_behind() -> None:
    play = Play("a", "b", "c", FREE, patience=10.0).asks("a", 1).asks("b", 2, client="x").after(9)
    play.ready("a#1").asks("c", 3, client="y").forgets()
    assert play.stand("b") == Verdict(Stand.OTHERS_BUSY, ("a",), {"engines": 1})
    play.after(1).ticks().silence()
    assert play.stand("b") == Verdict(Stand.HELD, ("a",), {"engines": 1})
    assert play.stand("c") == Verdict(Stand.BEHIND, ("a",), {"engines": 1})


def test_the_cores_are_shared_among_those_on_the_cpu_that_fit_together() -> None:
    cpu = [model(n, argv="${threads}", cost={"ram": c}) for n, c in {"a": 4, "b": 5, "c": 6}.items()]
    gpu = model("g", argv="${threads}", cost={"CUDA0": 5})
    book = Play(*cpu, gpu, model("fixed", cost={"ram": 1}), budget={"ram": 10, "CUDA0": 8}).scheduler.book
    assert sharers(book, Way({"ram": 4}), cpu[0]) == 2
    assert sharers(book, Way({"CUDA0": 5}), gpu) == 1
    assert sharers(book, Way({"ram": 1}), book.catalog.models["fixed"]) == 1


def test_those_that_run_on_other_cpus_take_none_of_its_cores() -> None:
    at = {"a": (0, 1), "b": (2, 3), "c": (1, 2), "d": ()}
    models = {name: model(name, argv="${threads}", cost={"ram": 1}) for name in at}
    cpu = [replace(m, launch=replace(m.launch, standing=Standing(cpus=at[n]))) for n, m in models.items()]
    book = Play(*cpu, budget={"ram": 9}).scheduler.book
    assert [sharers(book, Way({"ram": 1}), spec) for spec in cpu] == [3, 3, 4, 4]
