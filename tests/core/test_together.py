"""Which models fit at once, in sentences."""

from __future__ import annotations

import time

from swapd.core.events import CatalogChanged, Weighed
from swapd.core.need import Need, Source, Way
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Launch, Spec, Stay, Terms
from swapd.core.together import together

GIB = 1 << 30


def told(budget: dict[str, int], pinned: str = "", **needs: list[dict[str, int]] | None) -> list[str]:
    """``needs``: the ways of each model in GiB; None: not known."""
    models = {name: Spec(name, Launch((name,)), Terms(stay=Stay(pinned=name == pinned))) for name in needs}
    scheduler = Scheduler()
    scheduler.handle(CatalogChanged(Catalog(models, budget={n: a * GIB for n, a in budget.items()})), 0.0)
    for name, ways in needs.items():
        found = tuple(Way({n: int(a * GIB) for n, a in way.items()}, tuple(way)) for way in ways or ())
        need = Need(found, Source.HEADER if ways else Source.UNKNOWN)
        scheduler.handle(Weighed(name, models[name].launch, need), 0.0)
    return together(scheduler.book).lines()


def test_two_fit_together_one_alone_and_one_never():
    found = told(
        {"CUDA0": 24}, coder=[{"CUDA0": 14}], gemma=[{"CUDA0": 8}], large=[{"CUDA0": 23}], huge=[{"CUDA0": 40}]
    )
    assert found[:2] == ["large fits alone on CUDA0", "coder and gemma fit together on CUDA0"]
    assert found[2].startswith("huge never fits: it needs 40.0 GiB of CUDA0, the budget has 24.0 GiB;")
    assert len(found) == 3


def test_where_all_fit_that_is_all_there_is_to_say():
    assert told({"ram": 8}, a=[{"ram": 2}], b=[{"ram": 3}]) == ["all fit together on ram"]
    found = told({"ram": 8}, a=[{"ram": 2}], b=[{"ram": 3}], c=[{"ram": 9}])
    assert found[0] == "all that can be up fit together on ram"


def test_each_takes_the_card_that_leaves_room_for_the_others():
    either = [{"CUDA0": 10}, {"CUDA1": 10}]
    found = told({"CUDA0": 12, "CUDA1": 12}, free=either, bound=[{"CUDA0": 11}])
    assert found == ["all fit together on CUDA0 and CUDA1"]


def test_a_pinned_model_is_in_every_group():
    found = told({"ram": 10}, pinned="kept", kept=[{"ram": 4}], a=[{"ram": 5}], b=[{"ram": 6}])
    assert found == ["b and kept fit together on ram", "a and kept fit together on ram"]


def test_what_is_not_known_loads_alone_at_first():
    found = told({"ram": 10}, a=[{"ram": 5}], new=None)
    assert found == ["a fits alone on ram", "new loads alone at first: what it takes is not known yet"]


def test_what_no_engine_can_load_is_said_so_and_is_not_called_unknown():
    scheduler, specs = Scheduler(), {name: Spec(name, Launch((name,))) for name in ("a", "b", "cut")}
    scheduler.handle(CatalogChanged(Catalog(specs, budget={"ram": GIB})), 0.0)
    for name in ("a", "b"):
        need = Need((Way({"ram": 9}, ("ram",)),), Source.HEADER)
        scheduler.handle(Weighed(name, specs[name].launch, need), 0.0)
    scheduler.handle(Weighed("cut", specs["cut"].launch, Need((), Source.UNKNOWN, "cut", broken=True)), 0.0)
    assert together(scheduler.book).lines() == [
        "all that can be up fit together on ram",
        "cut cannot be loaded at all: its file is cut short, or no model",
    ]


def test_a_thousand_models_on_four_cards_take_no_time():
    cards = [f"CUDA{n}" for n in range(4)]
    needs = {f"m{n}": [{card: 3 + n % 7} for card in cards] for n in range(1000)}
    before = time.process_time()
    *groups, last = told(dict.fromkeys(cards, 24), **needs)
    assert len(groups) <= 40
    assert last == "looked for around the 40 largest models only, not around the 960 others"
    assert time.process_time() - before < 1.5  # 0.3 s, and more on a machine that is busy


def test_of_a_thousand_that_fit_together_not_each_is_named():
    needs = {f"m{n}": [{"ram": 1}] for n in range(1000)}
    assert told({"ram": 1000}, **needs) == ["all fit together on ram"]
    (group, *_) = told({"ram": 990}, **needs)
    assert group.endswith(", m21 and 978 others fit together on ram")
    assert len(group) < 200
