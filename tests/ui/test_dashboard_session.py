"""Who has logged out stays out, in whatever life of the daemon."""

from __future__ import annotations

import contextlib
import signal

import aiohttp
import pytest

from tests.processes import until
from tests.ui.places import two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
KEY = {"Authorization": "Bearer open-sesame"}


async def test_a_session_that_ended_stays_so_after_an_upgrade_and_a_restart(start_fresh, unused_tcp_port):
    config = two(top='admin: {key: "open-sesame"}').replace("127.0.0.1:0", f"127.0.0.1:{unused_tcp_port}")
    daemon = start_fresh(config)
    async with aiohttp.ClientSession(daemon.url, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def cookie() -> dict[str, str]:
            answer = await session.post("/ui/session", json={"key": "open-sesame"})
            return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}

        async def opens(headers: dict[str, str]) -> bool:
            return (await session.get("/admin/status", headers=headers)).status == 200

        async def executed() -> bool:
            with contextlib.suppress(aiohttp.ClientError):  # a connection that is cut says nothing
                answer = await session.get("/admin/status", headers=KEY)
                return (await answer.json())["execs"] == 1
            return False

        gone, stays = await cookie(), await cookie()
        assert (await session.delete("/ui/session", headers=gone)).status == 200
        assert (await opens(gone), await opens(stays)) == (False, True)
        daemon.process.send_signal(signal.SIGUSR2)
        await until(executed, 30)
        assert (await opens(gone), await opens(stays)) == (False, True)
        assert (await session.delete("/ui/session", headers=stays)).status == 200
        assert daemon.stop() == 0
    daemon = start_fresh(config)
    async with aiohttp.ClientSession(daemon.url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        assert (await opens(gone), await opens(stays), await opens(KEY)) == (False, False, True)
