"""Who is let in, what is refused, and what becomes of hostile text."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.processes import fake
from tests.ui.places import SECTIONS, go, row, state, two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
KEYED = 'admin: {key: "open-sesame"}'
HOSTILE = "<script>document.title='owned'</script>"
WORSE = "\\\"><img/src=x/onerror=document.title='owned'>"


async def test_the_key_is_asked_for_once(start, show):
    page = await show(start(two(top=KEYED)), forgiven=("401", "403"))
    await page.get_by_label("Key", exact=True).fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#key-said")).to_have_text("That is not the key.")
    await expect(page.locator("table.models")).to_have_count(0)
    await page.get_by_label("Key", exact=True).fill("open-sesame")
    await page.keyboard.press("Enter")
    await expect(state(page, "alpha")).to_have_text("cold")
    await page.reload()
    await expect(state(page, "alpha")).to_have_text("cold")
    await expect(page.get_by_label("Key", exact=True)).to_have_count(0)
    assert "open-sesame" not in await page.evaluate("JSON.stringify([localStorage, document.cookie])")
    status = await page.evaluate("async () => (await fetch('/admin/models/alpha/load', {method: 'POST'})).status")
    assert status in (401, 403)
    await expect(state(page, "alpha")).to_have_text("cold")
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("ready")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Key", exact=True)).to_be_focused()
    await page.reload()
    await expect(page.get_by_label("Key", exact=True)).to_be_visible()


async def test_a_session_that_ends_asks_for_the_key_again(start, show):
    page = await show(start(two(top=KEYED)), forgiven=("401", "403"))
    await page.get_by_label("Key", exact=True).fill("open-sesame")
    await page.keyboard.press("Enter")
    await expect(state(page, "alpha")).to_have_text("cold")
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Load alpha").click()
    await expect(page.get_by_label("Key", exact=True)).to_be_visible()
    await expect(page.locator("#key-said")).to_contain_text("The session has ended")
    await page.get_by_label("Key", exact=True).fill("open-sesame")
    await page.keyboard.press("Enter")
    await expect(state(page, "alpha")).to_have_text("cold")


async def test_a_hostile_name_is_text_and_runs_nothing(start, connect, show):
    command = fake().replace("${model}", "x")
    models = "".join(f'  "{name}": {{command: "{command}"}}\n' for name in (HOSTILE, WORSE))
    daemon = start(f"listen: 127.0.0.1:0\nbudget: {{engines: 2}}\nmodels:\n{models}")
    client = await connect(daemon)
    page = await show(daemon)
    for name in (HOSTILE, WORSE.replace("\\", "")):
        await page.get_by_role("button", name=f"Load {name}").click()
        await expect(page.locator("table.models .name").get_by_text(name, exact=True)).to_have_count(1)
    await expect(page.locator("td.state .state.ready")).to_have_count(2)
    async with client.chat("<img src=x onerror=document.title='owned'>") as answer:
        assert answer.status == 404
    for section in SECTIONS:
        await go(page, section)
        await expect(page.locator(f"#t-{section}")).to_have_count(1)
    await go(page, "requests")
    await expect(page.locator("table.requests")).to_contain_text("<img src=x onerror")
    assert await page.locator("main script, main img").count() == 0
    assert "owned" not in await page.title()


async def test_a_daemon_that_goes_away_is_told_and_comes_back(start, connect, show, unused_tcp_port):
    config = two().replace("127.0.0.1:0", f"127.0.0.1:{unused_tcp_port}")
    daemon = start(config)
    page = await show(daemon, forgiven=("ERR_",))
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("ready")
    daemon.stop()
    await expect(page.locator("#banner")).to_contain_text("The daemon does not answer since")
    await expect(page.locator("body")).to_have_class("stale")
    await expect(state(page, "alpha")).to_have_count(1)  # what was known stays
    await page.get_by_role("button", name="Load beta").click()
    await expect(page.locator("#said")).to_contain_text("Cannot load beta: the daemon does not answer")
    daemon = start(config)
    await expect(page.locator("#banner")).to_be_hidden(timeout=30_000)
    await expect(page.locator("#said")).to_contain_text("The daemon is back")
    await expect(state(page, "alpha")).to_have_text("cold")
    await row(page, "beta").get_by_role("button", name="Load beta").click()
    await expect(state(page, "beta")).to_have_text("ready")
    hello = await (await connect(daemon)).status()
    await page.route("**/admin/live*", lambda route: _newer(route, hello))
    await page.evaluate("dispatchEvent(new Event('online'))")  # a network that is back: the stream begins anew
    await expect(page.locator("#hint")).to_contain_text("The daemon is version 99.0 now")
    await page.unroute_all(behavior="wait")


async def _newer(route, status):
    body = {"now": "2026-01-01T00:00:00Z", "status": status | {"version": "99.0"}}
    text = f"event: hello\ndata: {json.dumps(body)}\n\n"
    await route.fulfill(status=200, content_type="text/event-stream", body=text)
