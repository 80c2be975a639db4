"""Who asks in the lab: closed loops, and the mix as it was agreed on."""

from __future__ import annotations

from itertools import groupby, islice, pairwise
from random import Random
from statistics import mean, median

import pytest

from swapd.core.scheduler import Scheduler
from swapd.lab import simulate as lab
from swapd.lab.box import Box, Record
from swapd.lab.people import SCENES, Ask, Cast, Think, agent, ingestion


def cast(**words) -> Cast:
    return Cast(Random(1), SCENES["mix"].kinds, **words)


def an_hour(name: str, **words) -> Record:
    stage = lab.made(SCENES[name], seeds=1, **words)
    box = Box(Scheduler(), stage.catalog, stage.loads)
    stage.admit(box, 0)
    return box.run(stage.seconds)


@pytest.mark.parametrize("name", SCENES)
def test_a_client_asks_again_only_after_its_answer(name):
    clients: dict[str, list] = {}
    for request in an_hour(name).requests:
        clients.setdefault(request.client, []).append(request)
    assert max(map(len, clients.values())) > 10
    for requests in clients.values():
        for earlier, later in pairwise(requests):
            assert earlier.left is not None
            assert later.arrival >= earlier.left


def test_an_agent_plans_first_then_takes_forty_turns():
    steps = list(agent(cast(), starts=9.0))
    asked = [step.model for step in steps if isinstance(step, Ask)]
    assert steps[0] == Think(9.0)
    assert (asked[0], len(asked)) == ("plan27", 41)


def test_an_agents_think_time_is_the_mean_of_its_pauses():
    pauses = [s.seconds for s in agent(cast(think=5.0), 0.0, turns=4000) if isinstance(s, Think)]
    assert mean(pauses) == pytest.approx(5.0, rel=0.1)
    assert {s.seconds for s in agent(cast(think=0.0), 0.0) if isinstance(s, Think)} == {0.0}


def test_services_scatter_around_their_median():
    dice = cast()
    assert median(dice.ask("coder30").seconds for _ in range(4000)) == pytest.approx(6.0, rel=0.1)


def test_documents_are_embedded_piece_by_piece_then_looked_at():
    asked = [step.model for step in islice(ingestion(cast()), 150) if isinstance(step, Ask)]
    runs = [(model, len(list(same))) for model, same in groupby(asked)]
    assert runs[:2] == [("emb", 31), ("vis12", 6)]


@pytest.mark.parametrize("agents", [0, 1, 6])
def test_there_are_as_many_agents_as_asked_for(agents):
    people = SCENES["mix"].people(cast(agents=agents))
    assert sum(name.startswith("agent-") for name in people) == agents
    assert len(people) == agents + 4


def test_half_of_the_agents_come_in_the_first_minutes_and_the_others_after_a_quarter_of_an_hour():
    people = SCENES["mix"].people(cast())
    starts = [next(steps).seconds for name, steps in people.items() if name.startswith("agent-")]
    assert all(at <= 180 for at in starts[:3])
    assert [round(at / 60) for at in starts[3:]] == pytest.approx([15, 27, 39], abs=1)
