"""The page for all: on a phone, by keyboard alone, read aloud, in both lights."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.processes import fake
from tests.ui.places import SECTIONS, go, state, two

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
NAMELESS = """() => [...document.querySelectorAll(
    "button, input, select, textarea, a, [role=img], dialog, nav, table")]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.labels?.length
    || (!["SELECT", "TABLE"].includes(e.tagName) && e.textContent.trim()) || e.querySelector(":scope > caption")))
  .map((e) => e.outerHTML.slice(0, 120))"""
INSIDE = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
"""The body is the browser's own controls: with nothing else of the page."""
PALE = """() => {
  const rgba = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const [r, g, b, a = 1] = rgba(getComputedStyle(e).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.closest("svg, .unseen, .skip")) continue;
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    for (let at = e; at; at = at.parentElement) {
      if (getComputedStyle(at).opacity < 1) found.push(`faint ${at.outerHTML.slice(0, 90)}`);
    }
    const [one, other] = [light(rgba(getComputedStyle(e).color)), light(ground(e))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${e.outerHTML.slice(0, 90)}`);
  }
  for (const e of document.querySelectorAll("input, select, textarea")) {
    if (!e.checkVisibility() || e.type === "checkbox") continue;
    const edge = rgba(getComputedStyle(e).borderTopColor), around = ground(e.parentElement);
    const [one, other] = [edge, around].map(light).sort((a, b) => b - a);
    if ((one + 0.05) / (other + 0.05) < 3) found.push(`no edge ${e.outerHTML.slice(0, 90)}`);
  }
  return found;
}"""
"""Text below 4.5 : 1, fields with an edge below 3 : 1 (WCAG 2.2, 1.4.3, 1.4.11), and whatever is see-through."""
SMALL = """() => [...document.querySelectorAll("button, a, input:not([type=checkbox]), select, textarea, summary")]
  .filter((e) => e.checkVisibility() && !e.closest(".skip, .notice"))
  .map((e) => [e.getBoundingClientRect(), e.outerHTML.slice(0, 90)])
  .filter(([box]) => box.height < 24 || box.width < 16)
  .map(([box, text]) => `${box.width} x ${box.height} ${text}`)"""
"""What a finger would miss (WCAG 2.2, 2.5.8), but for links within a sentence."""


async def test_a_phone_needs_no_sideways_scroll(start, connect, show, tmp_path):
    long = "a-model-with-a-name-that-goes-on-and-on-and-never-finds-an-end.Q8_0-00001-of-00002"
    daemon = start(two("--load-seconds", "0.1") + f'  "{long}": {{command: "{fake("--exit-code", "1")}"}}\n')
    client = await connect(daemon)
    await client.text("alpha")
    await client.text("beta")
    async with client.chat(long) as answer:
        assert answer.status == 502
    page = await show(daemon, width=390)
    await page.get_by_role("button", name=long, exact=True).click()
    await expect(page.locator(".detail")).to_contain_text("Last failure")
    for section in SECTIONS:
        await go(page, section)
        await expect(page.locator(f"#t-{section}")).to_have_count(1)
        await page.evaluate("() => new Promise((done) => setTimeout(done, 150))")
        scroll, width = await page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        assert scroll <= width, section
        assert await page.evaluate(SMALL) == [], section
        shot = await page.screenshot(path=tmp_path / f"{section}.png", full_page=True)
        assert len(shot) > 5000


async def test_a_model_is_loaded_by_keyboard_alone(start, show):
    page = await show(start(two()))
    await expect(state(page, "alpha")).to_have_text("cold")
    for _ in range(30):
        await page.keyboard.press("Tab")
        at = await page.evaluate("document.activeElement.getAttribute('aria-label')")
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "the focus is not seen"
        if at == "Load beta":
            break
    assert at == "Load beta"
    await page.keyboard.press("Enter")
    await expect(state(page, "beta")).to_have_text("ready")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    for _ in range(4):
        await page.keyboard.press("Tab")
        assert await page.evaluate(INSIDE)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("5")
    await expect(page.get_by_role("heading", name="Logs")).to_be_visible()
    await page.keyboard.press("/")
    await expect(page.get_by_label("Search")).to_be_focused()
    await page.keyboard.press("1")  # typed, no shortcut
    await expect(page.get_by_label("Search")).to_have_value("1")


@pytest.mark.parametrize("shade", ["light", "dark"])
async def test_all_has_a_name_and_enough_contrast(start, connect, show, shade):
    daemon = start(two())
    client = await connect(daemon)
    await client.text("alpha")
    await client.text("beta")
    page = await show(daemon, color_scheme=shade)
    await page.get_by_role("button", name="alpha", exact=True).click()
    for section in SECTIONS:
        await go(page, section)
        await expect(page.locator("main h1:visible, main h1.unseen")).not_to_have_count(0)
        assert await page.evaluate(NAMELESS) == [], section
        assert await page.evaluate(PALE) == [], section
    assert await page.locator("th:not([scope])").count() == 0
    assert await page.locator('nav a[aria-current="page"]').count() == 1


async def test_the_chosen_light_is_remembered(start, show):
    page = await show(start(two()), color_scheme="light")
    await expect(state(page, "alpha")).to_have_text("cold")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = await page.evaluate(ground)
    await page.get_by_role("button", name="Theme").click()
    chosen = await page.evaluate(ground)
    assert chosen != before
    await page.reload()
    assert await page.evaluate(ground) == chosen


@pytest.mark.parametrize("shade", ["light", "dark"])
async def test_what_is_locked_or_out_of_date_is_still_to_be_read(start, show, shade):
    daemon = start(two(top='admin: {key: "open-sesame"}'))
    page = await show(daemon, color_scheme=shade, forgiven=("401", "ERR_"))
    key = page.get_by_label("Key", exact=True)
    await key.fill("wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#key-said")).to_have_text("That is not the key.")
    await expect(page.get_by_role("navigation")).to_have_count(0)  # it would lead nowhere
    assert await page.evaluate(PALE) == []
    await key.fill("open-sesame")
    await page.keyboard.press("Enter")
    await expect(state(page, "alpha")).to_have_text("cold")
    await expect(page.get_by_role("navigation")).to_have_count(1)
    daemon.stop()
    await expect(page.locator("#banner")).to_be_visible()
    assert "grayscale" in await page.evaluate("getComputedStyle(document.querySelector('main')).filter")
    assert await page.evaluate(PALE) == []


@pytest.mark.parametrize(("motion", "turning"), [("reduce", 0), ("no-preference", 1)])
async def test_nothing_moves_for_who_wants_that(start, show, motion, turning):
    page = await show(start(two("--load-seconds", "3")), reduced_motion=motion)
    await page.get_by_role("button", name="Load alpha").click()
    await expect(state(page, "alpha")).to_have_text("starting")
    assert await page.evaluate("document.getAnimations().length") == turning


async def test_the_page_has_landmarks_and_the_first_tab_leads_past_the_header(start, show):
    page = await show(start(two()))
    await expect(state(page, "alpha")).to_have_text("cold")
    for role in ("banner", "navigation", "main"):
        await expect(page.get_by_role(role)).to_have_count(1)
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()


async def test_a_long_name_is_cut_in_its_middle_for_names_differ_at_the_end(start, show):
    name = "org/a-model-of-which-there-are-many-quantisations-in-many-parts.Q8_0-00001-of-00002"
    daemon = start(f'listen: 127.0.0.1:0\nmodels: {{"{name}": {{command: "{fake()}", preload: true}}}}\n')
    page = await show(daemon)
    await expect(page.locator("td.state .state.ready")).to_have_count(1)
    await expect(page.locator(".legend bdi").first).to_have_text("org/a-model-of-which-t…s.Q8_0-00001-of-00002")
    await expect(page.locator(".legend bdi").first).to_have_attribute("title", name)
    await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(1)
