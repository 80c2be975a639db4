"""An engine that somebody else runs takes nothing: it waits for no room, and makes nobody go."""

from __future__ import annotations

from dataclasses import replace

from swapd.core.spec import Launch, Spec, Stay
from tests.core.play import Play, model


def remote(name: str, **terms: object) -> Spec:
    made = model(name, cost={}, ttl=None, **terms)
    return replace(made, launch=Launch((), url=f"http://{name}"))


def test_it_is_asked_at_once_though_the_house_is_full_and_nobody_is_stopped():
    play = Play("a", remote("far")).asks("a", 1).orders("spawn a#1: asked for (1 waiting)")
    play.ready("a#1").orders("grant 1 on a#1")
    play.asks("far", 2).orders("spawn far#1: asked for (1 waiting)")
    play.ready("far#1").orders("grant 2 on far#1")
    play.leaves(1, 2).after(1e6).ticks().orders("terminate a#1: idle past its ttl")


def test_it_need_not_be_weighed_where_memory_is_budgeted():
    play = Play(remote("far"), model("near", cost={}), budget={"CUDA0": 20})
    play.asks("near", 1).silence()
    play.asks("far", 2).orders("spawn far#1: asked for (1 waiting)")
    play.weighs("near", {"CUDA0": 20}).orders("spawn near#1: asked for (1 waiting)")


def test_it_is_no_victim_when_another_needs_room():
    play = Play("a", "b", remote("far")).up("a", "far").after(100)
    play.asks("b", 1).orders("terminate a#1: makes room for b")
    play.exits("a#1").orders("spawn b#1: asked for (1 waiting)")


def test_it_can_be_let_go_by_hand_and_is_asked_anew_when_its_key_changed():
    play = Play(remote("far")).up("far")
    play.unloads("far").orders("terminate far#1: unload by the operator").exits("far#1")
    play.up("far")
    edited = remote("far")
    play.edits(replace(edited, launch=replace(edited.launch, key="Authorization: Bearer k")))
    play.orders("terminate far#2: its launch changed")


def test_what_is_preloaded_needs_no_room_either():
    play = Play("a").up("a")
    spec = remote("far")
    play.edits(replace(spec, terms=replace(spec.terms, stay=Stay(ttl=None, preload=True))))
    play.orders("spawn far#1: to be preloaded")
