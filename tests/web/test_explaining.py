"""Why, and when: in status, in ``/admin/explain``, in headers, in refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.engine import Endpoint, RunId
from swapd.core.events import (
    Asked,
    CatalogChanged,
    EngineReady,
    EngineShort,
    Left,
    MachineRead,
    Ticket,
    UnloadWished,
    Weighed,
)
from swapd.core.need import Gauge, Need, Reading, Source, Way
from swapd.core.refusal import Reason, Refusal
from swapd.web.surface import HOT
from swapd.web.turns import Turns

GIB = 1 << 30
HERE = Endpoint("127.0.0.1", 1)


async def answer_ok(request: web.Request) -> web.Response:
    return web.json_response({})


def one_at_a_time(front):
    """alpha is up and busy; org/beta, whose load is known, is wanted by ann and bob. 12 s of patience are left."""
    gate = front.gate
    budget = {"ram": 4 * GIB, "CUDA0": 2 * GIB}
    models = {n: replace(s, launch=replace(s.launch, argv=(n,))) for n, s in gate.catalog.models.items()}
    catalog = replace(gate.catalog, models=models, budget=budget)
    gate.hears(CatalogChanged(catalog))
    for name, spec in models.items():
        need = Need(
            (Way({"ram": 3 * GIB}),), Source.HEADER, "files 3072 MiB", load=6.0 if name == "org/beta" else None
        )
        gate.hears(Weighed(name, spec.launch, need))
    run = RunId("alpha", 1)
    gate.hears(Asked(Ticket(1), "alpha", "eve"))
    gate.now = 4.0
    gate.hears(EngineReady(run, HERE), EngineShort(run, "20 of 33 layers"))
    gauges = {"ram": Gauge(8 * GIB, 4 * GIB), "CUDA0": Gauge(2 * GIB, GIB)}
    gate.hears(MachineRead(Reading(gate.now, gauges, {run: {"ram": 2 * GIB, "CUDA0": 0}})))
    gate.hears(Asked(Ticket(2), "org/beta", "ann"), Asked(Ticket(3), "org/beta", "bob"))
    patience = gate.scheduler.view(gate.now).outlook("org/beta").patience
    gate.now += patience - 12
    return catalog


async def status_of(front) -> dict:
    return await (await front.client.get("/admin/status")).json()


async def test_status_says_what_a_model_waits_for_who_waits_and_when_it_may_be_served(hall):
    front = await hall(answer_ok)
    one_at_a_time(front)
    alpha, beta = (await status_of(front))["models"][:2]
    assert beta["waiting_for"] == {
        "stand": "busy",
        "text": "waits for alpha to finish 1 request; it may be overtaken for another 12 s, "
        "then nobody gets past it",
    }
    assert [(w["place"], w["client"]) for w in beta["queue"]] == [(1, "ann"), (2, "bob")]
    assert [w["eta"] for w in beta["queue"]] == [pytest.approx(18, abs=0.1), pytest.approx(19, abs=0.1)]
    assert beta["queue"][0]["waited"] == front.gate.now - 4
    assert (beta["load_seconds"], beta["need_source"], beta["need_detail"]) == (6, "header", "files 3072 MiB")
    assert (alpha["waiting_for"], alpha["queue"], alpha["short"]) == (None, [], "20 of 33 layers")
    assert (alpha["needs"], alpha["measured"]) == ({"ram": 3 * GIB}, {"ram": 2 * GIB, "CUDA0": 0})


async def test_status_shows_the_machine(hall):
    front = await hall(answer_ok)
    one_at_a_time(front)
    machine = (await status_of(front))["machine"]
    age = pytest.approx(front.gate.now - 4, abs=0.001)
    assert machine == {
        "ram": {
            "total": 8 * GIB,
            "budget": 4 * GIB,
            "used": 3 * GIB,
            "free": 4 * GIB,
            "strangers": 2 * GIB,
            "lost": False,
            "age": age,
        },
        "CUDA0": {
            "total": 2 * GIB,
            "budget": 2 * GIB,
            "used": 0,
            "free": GIB,
            "strangers": GIB,
            "lost": False,
            "age": age,
        },
    }


async def test_a_long_queue_is_cut_and_its_length_is_told(hall):
    front = await hall(answer_ok)
    one_at_a_time(front)
    front.gate.hears(*(Asked(Ticket(n), "org/beta", "x") for n in range(10, 60)))
    beta = (await status_of(front))["models"][1]
    assert (beta["waiting"], len(beta["queue"])) == (52, 20)


async def test_one_model_is_explained_by_name_and_by_alias(hall):
    front = await hall(answer_ok)
    one_at_a_time(front)
    found = await (await front.client.get("/admin/explain/org/beta")).json()
    assert (found["model"], found["state"], found["stand"], found["wanted"]) == (
        "org/beta",
        "cold",
        "busy",
        "2 requests wait",
    )
    assert (found["patience"], found["missing"], found["waiting"]) == (pytest.approx(12), {"ram": 2 * GIB}, 2)
    (obstacle,) = found["obstacles"]
    assert (obstacle["model"], obstacle["state"], obstacle["leases"]) == ("alpha", "ready", 1)
    assert found["ready_in"] == pytest.approx(18)
    alpha = await (await front.client.get("/admin/explain/gpt-4o")).json()
    assert (alpha["model"], alpha["text"]) == ("alpha", "is ready: 1 request on 1 slot")
    assert (await front.client.get("/admin/explain/nope")).status == 404


# -- what a request waited for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queued", "loaded", "since_ready", "reason"),
    [
        (0.001, 0.0, 9.0, None),
        (2.0, 0.0, 9.0, "busy"),
        (4.0, 4.0, 0.0, "load"),
        (1.0, 4.0, 0.0, "load"),
        (9.0, 4.0, 0.0, "swap"),
        (9.0, 4.0, 3.0, "busy"),
    ],
)
async def test_an_answer_says_what_its_request_waited_for_last(
    hall, monkeypatch, queued, loaded, since_ready, reason
):
    front = await hall(answer_ok)
    front.gate.hears(Asked(Ticket(1), "alpha"))
    front.gate.now = 4.0
    front.gate.hears(EngineReady(RunId("alpha", 1), HERE))
    front.gate.now += since_ready
    told = Turns._reason

    def noted(self, lease):
        lease.queued, lease.loaded = queued, loaded
        return told(self, lease)

    monkeypatch.setattr(Turns, "_reason", noted)
    answer = await front.client.post(HOT[0], json={"model": "alpha"})
    assert answer.headers.get("X-Swapd-Reason") == reason


@pytest.mark.parametrize("reason", [Reason.QUEUE_FULL, Reason.QUEUE_TIMEOUT])
async def test_who_waited_in_vain_is_told_for_what_and_when_to_come_back(hall, reason):
    front = await hall(answer_ok)
    one_at_a_time(front)
    front.gate.refusal = Refusal(reason, "org/beta", retry_after=1.0, detail="so long")
    answer = await front.client.post(HOT[0], json={"model": "org/beta"})
    message = (await answer.json())["error"]["message"]
    assert message.endswith(
        "; org/beta waits for alpha to finish 1 request; it may be overtaken for another 12 s, "
        "then nobody gets past it"
    )
    assert answer.headers["Retry-After"] == "18"


async def test_nobody_is_sent_away_for_longer_than_a_minute(hall):
    front = await hall(answer_ok)
    one_at_a_time(front)
    front.gate.hears(Left(Ticket(2)), Left(Ticket(3)), UnloadWished("org/beta"))
    catalog = front.gate.scheduler.book.catalog
    slow = Need((Way({"ram": 3 * GIB}),), Source.LEARNED, load=500.0)
    front.gate.hears(Weighed("org/beta", catalog.models["org/beta"].launch, slow))
    front.gate.refusal = Refusal(Reason.QUEUE_FULL, "org/beta", retry_after=1.0, detail="full")
    answer = await front.client.post(HOT[0], json={"model": "org/beta"})
    assert answer.headers["Retry-After"] == "60"


async def test_where_nothing_is_known_a_refusal_stays_as_it_was(hall):
    front = await hall(answer_ok)
    front.gate.refusal = Refusal(Reason.QUEUE_FULL, "alpha", retry_after=1.0, detail="full")
    answer = await front.client.post(HOT[0], json={"model": "alpha"})
    assert answer.headers["Retry-After"] == "1"
    assert (await answer.json())["error"]["message"].endswith("full; try again in a moment")
