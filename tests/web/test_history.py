"""``/admin/history``: the operator's, of a time that makes sense, with the requests that have just ended."""

from __future__ import annotations

import pytest
from aiohttp import web

from swapd.core.settings import Settings


async def nothing(request: web.Request) -> web.Response:
    return web.Response()


@pytest.mark.parametrize("hours", ["x", "0", "-1", "nan", "inf", "24.1", "1e400", ""])
async def test_hours_that_make_no_sense_are_refused_with_what_would(hall, hours):
    front = await hall(nothing)
    answer = await front.client.get("/admin/history", params={"hours": hours})
    assert answer.status == 400
    assert "up to 24" in (await answer.json())["error"]["message"]


async def test_a_house_that_keeps_none_says_so(hall):
    front = await hall(nothing)
    assert (await front.client.get("/admin/history?hours=1")).status == 404


async def test_the_history_is_the_operators(hall):
    front = await hall(nothing)
    front.config.settings = Settings(admin_key="right")
    assert (await front.client.get("/admin/history")).status == 401
