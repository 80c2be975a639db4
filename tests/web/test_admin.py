"""The operator's doors: who may open them, and what is behind."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.events import CatalogChanged, LoadWished, UnloadWished
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import Settings


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


async def test_health_and_ready_need_no_key(hall):
    front = await hall(nothing)
    front.config.settings = Settings(admin_key="k")
    for path in ("/health", "/ready"):
        assert (await front.client.get(path)).status == 200


async def test_status_is_one_object_with_every_model(hall):
    front = await hall(nothing)
    front.config.problems = [{"file": "x.yaml", "line": 1, "column": 2, "key": "a", "message": "bad"}]
    status = await (await front.client.get("/admin/status")).json()
    house = {"version", "generation", "since", "execs", "budget", "machine", "pools", "problems"}
    assert set(status) == {*house, "models"}
    assert status["since"] == "2026-01-01T00:00:00Z"
    assert status["problems"] == front.config.problems
    alpha = status["models"][0]
    assert alpha == {
        "name": "alpha",
        "aliases": ["alpha:cold", "gpt-4o"],
        "state": "cold",
        "run": None,
        "pid": None,
        "endpoint": None,
        "leases": 0,
        "waiting": 0,
        "waiting_for": None,
        "queue": [],
        "needs": {},
        "need_source": None,
        "need_detail": "",
        "measured": {},
        "load_seconds": None,
        "short": None,
        "never_fits": None,
        "since": None,
        "idle": None,
        "idle_since": None,
        "pinned": False,
        "priority": 0,
        "slots": 1,
        "engine": "llama.cpp",
        "url": None,
        "last_failure": None,
        "requests": 0,
        "tokens": {"prompt": 0, "completion": 0, "per_second": None},
        "last_swap": None,
    }


async def test_status_says_what_can_never_be_loaded(hall):
    front = await hall(nothing)
    catalog = front.gate.catalog
    alpha = catalog.models["alpha"]
    large = replace(alpha, terms=replace(alpha.terms, cost={"slots": 3}))
    front.gate.hears(CatalogChanged(replace(catalog, models={"alpha": large}, budget={"slots": 2})))
    (shown,) = (await (await front.client.get("/admin/status")).json())["models"]
    assert shown["never_fits"] == ("it needs 3 of slots, the budget has 2; raise budget.slots or lower its needs")


async def test_without_a_key_a_forwarded_request_is_not_local(hall):
    front = await hall(nothing)
    answer = await front.client.get("/admin/status", headers={"X-Forwarded-For": "127.0.0.1"})
    assert answer.status == 403
    assert "admin.key" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
async def test_without_a_key_a_foreign_web_page_changes_nothing(hall, headers):
    front = await hall(nothing)
    answer = await front.client.post("/admin/models/alpha/unload", headers=headers)
    assert answer.status == 403
    assert front.gate.posted == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer right"},
        {"x-api-key": "right"},
        {"api-key": "right"},
        {"Authorization": "Basic " + base64.b64encode(b"operator:right").decode()},
    ],
)
async def test_with_a_key_whoever_has_it_may_enter_from_anywhere(hall, headers):
    front = await hall(nothing)
    front.config.settings = Settings(admin_key="right")
    answer = await front.client.get("/admin/status", headers=headers | {"X-Forwarded-For": "10.0.0.1"})
    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic !!"}, {"Authorization": "Basic \u00e4"}],
)
async def test_with_a_key_nobody_else_may(hall, headers):
    front = await hall(nothing)
    front.config.settings = Settings(admin_key="right")
    answer = await front.client.get("/admin/status", headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_load_wishes_and_waits_for_the_model(hall):
    front = await hall(nothing)
    answer = await front.client.post("/admin/models/gpt-4o/load")
    assert answer.status == 200
    assert front.gate.posted == [LoadWished("alpha")]
    assert front.gate.asked == [("alpha", "operator")]


@pytest.mark.parametrize("where", ["?wait=0", ""])
async def test_nobody_makes_room_for_a_load_of_what_is_not_there(hall, where):
    front = await hall(nothing)
    front.gate.lacks = Refusal(Reason.START_FAILED, "alpha", Exit(reason="there is no file '/x.gguf'"))
    answer = await front.client.post(f"/admin/models/alpha/load{where}")
    assert answer.status == 502
    assert "there is no file '/x.gguf'" in (await answer.json())["error"]["message"]
    assert front.gate.posted == front.gate.asked == []


async def test_load_without_waiting_is_a_202(hall):
    front = await hall(nothing)
    answer = await front.client.post("/admin/models/org/beta/load?wait=0")
    assert answer.status == 202
    assert front.gate.asked == []


async def test_unload_of_a_cold_model_is_a_200(hall):
    front = await hall(nothing)
    assert (await front.client.post("/admin/models/alpha/unload")).status == 200
    assert front.gate.posted == [UnloadWished("alpha")]


async def test_unload_now_says_so_to_the_desk(hall):
    front = await hall(nothing)
    assert (await front.client.post("/admin/models/alpha/unload?now=1")).status == 200
    assert front.gate.posted == [UnloadWished("alpha", now=True)]
    assert (await front.client.post("/admin/unload?now=1")).status == 200
    assert front.gate.posted[1:] == [UnloadWished(name, now=True) for name in front.gate.catalog.models]


async def test_an_unknown_model_is_a_404(hall):
    front = await hall(nothing)
    assert (await front.client.post("/admin/models/nope/load")).status == 404
    assert front.gate.posted == []


async def test_reload_answers_the_changes_or_422_with_all_problems(hall):
    front = await hall(nothing)
    answer = await front.client.post("/admin/reload")
    assert (answer.status, await answer.json()) == (200, front.config.outcome)
    front.config.outcome = {"problems": [{"message": "bad"}]}
    answer = await front.client.post("/admin/reload")
    assert (answer.status, await answer.json()) == (422, front.config.outcome)


async def test_logs_are_text_and_can_be_followed(hall):
    front = await hall(nothing)
    assert await (await front.client.get("/admin/logs/alpha?tail=2")).text() == "two\nthree\n"
    followed = await (await front.client.get("/admin/logs/alpha?tail=1&follow=1")).text()
    assert followed == "three\nfour\n"
    assert (await front.client.get("/admin/logs/alpha?tail=x")).status == 400


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
async def test_without_a_key_a_name_that_somebody_could_rebind_is_not_this_machine(hall, host):
    front = await hall(nothing)
    headers = {"Host": f"{host}:{front.port}", "Origin": f"http://{host}:{front.port}"}
    assert (await front.client.get("/admin/status", headers=headers)).status == 403
    assert (await front.client.post("/admin/models/alpha/unload", headers=headers)).status == 403
    assert front.gate.posted == []


@pytest.mark.parametrize("host", ["localhost", "swapd.localhost:1", "127.0.0.1", "[::1]:9292"])
async def test_without_a_key_this_machine_may_be_called_by_its_own_names(hall, host):
    front = await hall(nothing)
    assert (await front.client.get("/admin/status", headers={"Host": host})).status == 200


async def test_a_key_of_odd_bytes_is_a_wrong_key(hall):
    front = await hall(nothing)
    front.config.settings = Settings(admin_key="right")
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"GET /admin/status HTTP/1.1\r\nHost: localhost\r\nx-api-key: \xff\r\n\r\n")
    assert b"401" in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("name", ["X-Forwarded-Port", "Via", "CF-Connecting-IP", "forwarded"])
async def test_whatever_a_proxy_adds_makes_a_request_foreign(hall, name):
    front = await hall(nothing)
    assert (await front.client.get("/admin/status", headers={name: "x"})).status == 403
