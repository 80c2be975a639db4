"""A page that is one of several, that slept, or that has nothing to show."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.processes import fake, until
from tests.ui.places import go, state, two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
SLEPT = "() => { const now = Date.now; Date.now = () => now() + 60_000; }"
"""A minute passes in which nothing came, not even a comment."""
DRAWN = """() => new Promise((done) => {
  let frames = 20;
  const next = () => { frames -= 1; if (frames) requestAnimationFrame(next); else done(); };
  next();
})"""
"""More frames than the page needs to draw all lines that it keeps."""


async def _enter(page):
    await page.get_by_label("Key", exact=True).fill("open-sesame")
    await page.keyboard.press("Enter")
    await expect(state(page, "alpha")).to_have_count(1)


async def test_who_logs_out_or_in_does_so_in_all_tabs_and_an_older_token_is_renewed_unasked(start, show):
    page = await show(start(two(top='admin: {key: "open-sesame"}')), forgiven=("401", "403"))
    await _enter(page)
    other = await page.context.new_page()
    await other.goto(page.url)
    await other.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Key", exact=True)).to_be_visible()
    await expect(page.locator("table.models")).to_have_count(0)
    await _enter(other)
    await expect(state(page, "alpha")).to_have_text("cold")
    again = "fetch('/ui/session', {method: 'POST', body: JSON.stringify({key: 'open-sesame'})})"
    assert await page.evaluate(f"async () => (await {again}).status") == 200
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("ready")


async def test_a_stream_that_died_unseen_is_begun_anew_and_a_daemon_that_hangs_is_told(start, show):
    page = await show(start(two()), forgiven=("ERR_",))
    await expect(state(page, "alpha")).to_have_text("cold")
    async with page.expect_request("**/admin/live*"):
        await page.evaluate(SLEPT)
    await expect(page.locator("#line")).to_have_text("live")
    await expect(page.locator("#said")).to_be_empty()
    await page.route("**/ui/session", lambda route: route.abort())
    await page.evaluate(SLEPT)
    await expect(page.locator("#said")).to_contain_text("The daemon is back")


async def test_a_log_that_is_paused_stays_as_it_is_and_can_be_searched(start, connect, show):
    command = fake("--log-flood", "1")
    daemon = start(f'listen: 127.0.0.1:0\nmodels: {{alpha: {{command: "{command}"}}}}\n')
    page, client = await show(daemon, "#logs/alpha"), await connect(daemon)
    log, pause = page.get_by_role("log", name="Log"), page.get_by_role("button", name=re.compile("Pause|Go on"))
    await expect(page.locator(".log-said")).to_contain_text("Nothing was written yet")
    await pause.click()
    await client.text("alpha")
    await expect(pause).to_have_text(re.compile(r"Go on \(\d{4,} new\)"))
    await expect(log.locator(".line")).to_have_count(0)
    await pause.click()
    await expect(log.locator(".line")).to_have_count(5000)
    await pause.click()
    await page.evaluate(DRAWN)  # what came before the pause
    first = await log.locator(".line").first.get_attribute("data-at")
    await client.http.post("/admin/models/alpha/unload")
    await client.text("alpha")
    await expect(pause).to_have_text(re.compile(r"Go on \(\d{4,} new\)"))
    await expect(log.locator(".line")).to_have_count(5000)
    assert await log.locator(".line").first.get_attribute("data-at") == first
    await page.get_by_label("Search").fill("xxx")
    await expect(log.locator("mark").first).to_be_visible()


async def test_a_model_that_is_not_there_has_no_log(start, show):
    page = await show(start(two()), "#logs/nobody", forgiven=("404",))
    await expect(page.locator(".log-said")).to_contain_text("Cannot follow the log: cannot find model 'nobody'")
    await expect(page.locator(".log-said")).not_to_contain_text("it goes on")


async def test_sections_without_models_say_so(start, show):
    page = await show(start("listen: 127.0.0.1:0\nmodels: {}\n"))
    for section in ("overview", "logs", "playground"):
        await go(page, section)
        await expect(page.locator("main > section:visible")).to_contain_text("No models yet")
        controls = page.locator("main > section:visible").locator("select, input, textarea, button")
        await expect(controls.filter(visible=True)).to_have_count(0)


async def test_nothing_of_a_request_is_cut_off_and_a_search_has_room(start, connect, show):
    daemon = start(two())
    await (await connect(daemon)).text("alpha")
    page = await show(daemon, "#requests", width=768)
    for width in (768, 320):
        await page.set_viewport_size({"width": width, "height": 844})
        await go(page, "requests")
        await expect(page.locator("td.total")).to_be_visible()
        assert await _right(page.locator("td.total")) <= width
        for section in ("requests", "events", "logs"):
            await go(page, section)
            search = page.locator(f'section[aria-labelledby="t-{section}"] .filter')
            await expect(search).to_be_visible()
            assert (await search.bounding_box())["width"] >= 140, section
            assert await _right(search) <= width


async def _right(locator):
    box = await until(locator.bounding_box)  # None where it is drawn anew just now
    return box["x"] + box["width"]
