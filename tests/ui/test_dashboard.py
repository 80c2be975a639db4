"""The page shows what happens, while it does, and does what its buttons say."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from swapd import __version__
from tests.processes import fake, until
from tests.ui.places import SECTIONS, go, row, state, two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
KEEP = """(name) => {
  window.kept = [];
  const look = () => [...document.querySelectorAll("table.models tbody")]
    .filter((body) => [...body.querySelectorAll("button")].some((button) => button.textContent.trim() === name))
    .forEach((body) => kept.push(body.querySelector("td.state .state span").textContent));
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""
"""Every state of the model that the page shows from now on."""


async def test_every_section_opens_under_the_strict_policy_without_a_complaint(start, show):
    page = await show(start(two()))
    for section in SECTIONS:
        await go(page, section)
        await expect(page.locator(f"#t-{section}")).to_have_count(1)
        await expect(page.locator("main > section:visible")).to_have_count(1)
    answer = await page.reload()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_the_first_paint_comes_within_200_ms(start, show):
    page = await show(start(two()))
    seen = []
    while len(seen) < 5 or (min(seen) >= 200 and len(seen) < 20):
        await page.reload()
        seen.append(await until(lambda: page.evaluate(PAINT)))
    print(f"first contentful paint, load after load: {', '.join(f'{ms:.0f} ms' for ms in seen)}")
    assert min(seen) < 200  # the best of them: the machine may have other things to do


async def test_it_says_which_swapd_it_looks_at_and_for_how_long_that_is_up(start, show):
    page = await show(start(two()))
    await expect(page.locator(".life")).to_have_text(re.compile(rf"^swapd {re.escape(__version__)}, up \d+ s$"))
    before = await page.locator(".life").text_content()
    await expect(page.locator(".life")).not_to_have_text(before)


async def test_a_swap_is_seen_while_it_happens(start, connect, show):
    daemon = start(two("--load-seconds", "0.5"))
    page, client = await show(daemon), await connect(daemon)
    await expect(state(page, "alpha")).to_have_text("cold")
    await client.text("alpha")
    await expect(state(page, "alpha")).to_have_text("ready")
    await page.evaluate(KEEP, "beta")
    swapped = asyncio.ensure_future(client.text("beta"))
    await expect(state(page, "beta")).to_have_text("ready")
    await expect(state(page, "alpha")).to_have_text("cold")
    await swapped
    assert "starting" in await page.evaluate("kept"), "too short for who looks only now and then"
    await expect(row(page, "beta").locator("td.swap")).to_contain_text("swap alpha -> beta")
    await expect(page.locator(".feed")).to_contain_text("swap alpha -> beta")
    await go(page, "timeline")
    await page.get_by_role("button", name="15 min").click()
    await expect(page.locator("rect.span.ready")).to_have_count(2)
    await expect(page.locator("table.swaps tbody tr")).to_have_count(1)
    await page.locator(".lanes path.swap").focus()
    await expect(page.locator(".tip")).to_contain_text("swap alpha -> beta")
    await client.text("alpha")
    await expect(page.locator("table.swaps tbody tr")).to_have_count(2)
    await go(page, "requests")
    await expect(page.locator("table.requests tbody tr")).to_have_count(3)
    await expect(page.locator("table.requests tbody tr").first).to_contain_text("/v1/chat/completions")


async def test_buttons_load_unload_and_pin(start, connect, show):
    daemon = start(two())
    page, client = await show(daemon), await connect(daemon)
    await row(page, "alpha").get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("ready")
    await row(page, "alpha").get_by_role("button", name="Pin alpha").click()
    await expect(row(page, "alpha").get_by_role("button", name="Unpin alpha")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert (await client.model("alpha"))["pinned"] is True
    await row(page, "alpha").get_by_role("button", name="Unpin alpha").click()
    await expect(row(page, "alpha").get_by_role("button", name="Pin alpha")).to_be_visible()
    await row(page, "alpha").get_by_role("button", name="Unload alpha").click()
    await expect(state(page, "alpha")).to_have_text("cold")
    assert await client.is_in("alpha", "cold")


async def test_details_say_why_and_how_it_failed(start, show):
    command = fake("--exit-code", "3")
    page = await show(start(f'listen: 127.0.0.1:0\nmodels: {{alpha: {{command: "{command}", restart: never}}}}\n'))
    await page.get_by_role("button", name="alpha", exact=True).click()
    await expect(page.locator(".verdict")).to_contain_text("alpha is cold: nobody asks for it")
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text(re.compile("failed|backoff"))
    await expect(row(page, "alpha").locator(".marks .tag.bad")).to_have_text("exited with code 3")
    await expect(page.locator(".detail")).to_contain_text("code 3")
    await expect(page.locator(".verdict")).to_contain_text("failed")
    await page.get_by_label("Which models").select_option("trouble")
    await expect(page.locator("table.models tbody")).to_have_count(1)
    await page.get_by_label("Which models").select_option("up")
    await expect(page.locator("main")).to_contain_text("No model is like that")


async def test_the_config_is_shown_with_its_problems_at_their_lines(start, show):
    daemon = start(two())
    page = await show(daemon, "#config", forgiven=("422",))
    await expect(page.locator(".codeline code").filter(has_text="models:")).to_have_count(1)
    good = daemon.config.read_text()
    daemon.config.write_text(good.replace("concurrency: 2, aliases", "concurency: 2, aliases"))
    await page.get_by_role("button", name="Reload the config").click()
    await expect(page.locator("main")).to_contain_text("Not reloaded: 1 problem")
    await expect(page.locator(".codeline.bad")).to_contain_text("concurency")
    await expect(page.locator(".code .at.bad")).to_contain_text("concurrency")
    daemon.config.write_text(good + '  gamma: {url: "http://127.0.0.1:1", engine: openai}\n')
    await page.get_by_role("button", name="Reload the config").click()
    await expect(page.locator(".codeline.bad")).to_have_count(0)
    await go(page, "overview")
    await expect(row(page, "gamma")).to_have_count(1)


async def test_the_playground_chats_and_embeds(start, show):
    page = await show(start(two("--chunk-seconds", "0.02", "--words", "20")), "#playground/beta")
    await page.get_by_label("Message").fill("go")
    await page.keyboard.press("Enter")
    await expect(page.locator(".talk")).to_contain_text("beta 1 2 3")
    await expect(page.locator("form").first).to_contain_text(re.compile("first token after .* tokens/s"))
    await page.get_by_label("One text").fill("a")
    await page.get_by_label("Another (optional)").fill("a")
    await page.get_by_role("button", name="Embed").click()
    await expect(page.locator("form").last).to_contain_text("Cosine1.0000")


async def test_an_answer_is_stopped(start, connect, show):
    daemon = start(two("--chunk-seconds", "0.1", "--words", "500"))
    page, client = await show(daemon, "#playground/alpha"), await connect(daemon)
    await page.get_by_label("Message").fill("go")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator(".talk")).to_contain_text("alpha 1")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".talk")).to_contain_text("Stopped.")

    async def is_free():
        return (await client.model("alpha"))["leases"] == 0

    await until(is_free)


async def test_without_models_the_page_says_how_to_get_some(start, show):
    page = await show(start("listen: 127.0.0.1:0\nmodels: {}\n"))
    await expect(page.locator("main")).to_contain_text("No models yet.")
    await expect(page.locator("main")).to_contain_text("swapd scan")
    for section in SECTIONS:
        await go(page, section)
        await expect(page.locator(f"#t-{section}")).to_have_count(1)
