"""Where things are on the page, and configs that its tests share."""

from __future__ import annotations

from playwright.async_api import Locator, Page

from tests.processes import fake

SECTIONS = ("overview", "timeline", "requests", "events", "logs", "config", "playground")


def two(*flags: str, top: str = "", budget: str = "{engines: 1}") -> str:
    """Two models that take turns."""
    command = fake(*flags)
    return f"""
listen: 127.0.0.1:0
budget: {budget}
scheduling: {{patience: 300ms, linger: 0s}}
{top}
models:
  alpha: {{command: "{command}", concurrency: 2, aliases: [first]}}
  beta: {{command: "{command}", concurrency: 2}}
"""


def row(page: Page, name: str) -> Locator:
    """A model's part of the table."""
    return page.locator("table.models tbody").filter(has=page.get_by_role("button", name=name, exact=True))


def state(page: Page, name: str) -> Locator:
    """The word for how it stands."""
    return row(page, name).locator("td.state .state span").first


async def go(page: Page, section: str) -> None:
    """As by a click on the header."""
    await page.locator(f'.top nav a[href="#{section}"]').click()
