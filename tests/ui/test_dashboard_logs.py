"""Logs are followed and searched, whatever an engine writes."""

from __future__ import annotations

import time

import pytest
from playwright.async_api import expect

from tests.processes import fake
from tests.ui.places import two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
FEED = """async ([size, piece]) => {
  const { Cutter } = await import("/ui/lines.js");
  const cutter = new Cutter(), begun = performance.now(), lines = [];
  for (let at = 0; at < size; at += piece) lines.push(...cutter.feed("x".repeat(piece)));
  lines.push(...cutter.feed("\\nnext\\n"));
  const took = performance.now() - begun;
  return { lengths: lines.map((line) => line.length), last: lines.at(-1), cut: lines[0].slice(-40), took };
}"""


async def test_a_log_is_followed_and_searched(start, connect, show):
    daemon = start(two())
    page, client = await show(daemon, "#logs/alpha"), await connect(daemon)
    await expect(page.locator(".log-said")).to_contain_text("Nothing was written yet")
    await client.text("alpha")
    log = page.get_by_role("log", name="Log")
    await expect(log).to_contain_text("alpha#1")
    await page.get_by_label("Search").fill("ALPHA#1")
    await expect(log.locator("mark").first).to_have_text("alpha#1")
    await page.keyboard.press("Enter")
    await expect(log.locator("mark.here")).to_have_count(1)
    lines = await log.locator(".line").count()
    await page.get_by_label("only matches").check()
    await expect(log.locator(".line:not(:has(mark))")).to_have_count(0)
    await expect(log.locator(".line:has(mark)").first).to_be_visible()  # it is drawn anew, and for that once empty
    assert await log.locator(".line").count() <= lines
    await page.get_by_role("button", name="Pause").click()
    await client.http.post("/admin/models/alpha/unload")
    await client.text("alpha")
    await expect(log).not_to_contain_text("alpha#2")
    await page.get_by_label("Search").fill("")
    await page.get_by_role("button", name="Go on").click()
    await expect(log).to_contain_text("alpha#2")


async def test_a_flood_and_a_line_of_10_mb_do_not_freeze_the_page(start, connect, show):
    command = fake("--long-line", "10000000", "--log-flood", "2")
    daemon = start(f'listen: 127.0.0.1:0\nmodels: {{alpha: {{command: "{command}"}}}}\n')
    page, client = await show(daemon, "#logs/alpha"), await connect(daemon)
    await expect(page.locator(".log-said")).to_contain_text("Following")
    await client.text("alpha")
    log = page.get_by_role("log", name="Log")
    await expect(log.locator(".line").filter(has_text="after the long line")).to_be_in_viewport()
    begun = time.monotonic()
    await page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    assert time.monotonic() - begun < 5  # it still draws
    longest, count = await page.evaluate(
        "() => [Math.max(...[...document.querySelectorAll('.log .line')].map((l) => l.textContent.length)),"
        " document.querySelectorAll('.log .line').length]"
    )
    assert longest < 4200
    assert count <= 5000


async def test_terminal_escapes_are_not_shown(start, connect, show, tmp_path):
    script = tmp_path / "noisy.sh"
    shout = r"\033[31mred\033[0m \033]0;owned\007after \033[8mhidden <b>bold</b>\n"
    script.write_text(f"printf '{shout}' >&2\nprintf 'one\\rtwo\\n\\342\\200\\256txet\\n' >&2\nexec \"$@\"\n")
    daemon = start(f'listen: 127.0.0.1:0\nmodels: {{alpha: {{command: "/bin/sh {script} {fake()}"}}}}\n')
    client = await connect(daemon)
    await client.text("alpha")
    page = await show(daemon, "#logs/alpha")
    log = page.get_by_role("log", name="Log")
    await expect(log.get_by_text("red after hidden <b>bold</b>", exact=True)).to_have_count(1)
    await expect(log.get_by_text("two", exact=True)).to_have_count(1)
    await expect(log.get_by_text("\ufffdtxet", exact=True)).to_have_count(1)


async def test_a_line_of_10_mb_is_cut_by_the_page_itself(start, show):
    page = await show(start(two()))
    found = await page.evaluate(FEED, [10_000_000, 65_536])
    assert found["lengths"][0] < 4200
    assert found["cut"].endswith("… (cut: the line is longer)")
    assert found["last"] == "next"
    assert found["took"] < 2000
