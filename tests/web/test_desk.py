"""The operator's pins, and the config as it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.events import CatalogChanged, PinWished
from swapd.core.settings import Settings
from swapd.core.spec import Stay


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


@pytest.mark.parametrize("pinned", [True, False])
async def test_a_model_is_pinned_and_unpinned_by_name_and_alias(hall, pinned):
    front = await hall(nothing)
    verb = "pin" if pinned else "unpin"
    for asked, name in (("gpt-4o", "alpha"), ("org/beta", "org/beta")):
        answer = await front.client.post(f"/admin/models/{asked}/{verb}")
        assert (answer.status, await answer.json()) == (200, {"model": name, "pinned": pinned, "state": "cold"})
    assert front.gate.posted == [PinWished("alpha", pinned), PinWished("org/beta", pinned)]
    front.gate.hears(PinWished("alpha", pinned=True))
    status = await (await front.client.get("/admin/status")).json()
    assert [model["pinned"] for model in status["models"]][:2] == [True, False]


async def test_a_pin_that_never_fits_beside_the_others_is_refused_with_the_arithmetic(hall):
    front = await hall(nothing)
    catalog = front.gate.catalog
    models = {n: replace(s, terms=replace(s.terms, cost={"slots": 2})) for n, s in catalog.models.items()}
    front.gate.hears(CatalogChanged(replace(catalog, models=models, budget={"slots": 3})))
    front.gate.hears(PinWished("alpha", pinned=True))
    answer = await front.client.post("/admin/models/org/beta/pin")
    error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (503, "insufficient_memory")
    assert "the budget has 3 and pinned alpha keep 2" in error["message"]
    assert front.gate.posted == []
    assert (await front.client.post("/admin/models/alpha/pin")).status == 200


async def test_what_was_unpinned_is_not_waited_for(hall):
    front = await hall(nothing)
    alpha = front.gate.catalog.models["alpha"]
    kept = replace(alpha, terms=replace(alpha.terms, stay=Stay(pinned=True, preload=True)))
    front.gate.hears(CatalogChanged(replace(front.gate.catalog, models={"alpha": kept})))
    assert (await front.client.get("/ready")).status == 503
    front.gate.hears(PinWished("alpha", pinned=False))
    assert (await front.client.get("/ready")).status == 200


@pytest.mark.parametrize("name", ["nope", "%3Cscript%3E", "a%0Ab"])
async def test_who_is_not_there_cannot_be_pinned(hall, name):
    front = await hall(nothing)
    for verb in ("pin", "unpin"):
        assert (await front.client.post(f"/admin/models/{name}/{verb}")).status == 404
    assert front.gate.posted == []


async def test_the_config_is_shown_to_the_operator_alone(hall):
    front = await hall(nothing)
    front.config.problems = [{"file": "x.yaml", "line": 1, "column": 2, "key": "a", "message": "bad"}]
    front.config.warnings = [{"file": "x.yaml", "line": 2, "column": 1, "key": "b", "message": "odd"}]
    answer = await front.client.get("/admin/config")
    assert answer.headers["Cache-Control"] == "no-store"
    assert await answer.json() == {
        "generation": 1,
        "files": [{"path": "x.yaml", "text": "models: {}"}],
        "problems": front.config.problems,
        "warnings": front.config.warnings,
    }
    front.config.settings = Settings(admin_key="the-admin-key")
    for method, path in (("GET", "/admin/config"), ("POST", "/admin/models/alpha/pin")):
        assert (await front.client.request(method, path)).status == 401
    assert front.gate.posted == []
