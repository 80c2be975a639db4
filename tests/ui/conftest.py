"""The dashboard in a real Chromium: one browser for all tests, a page of its own for each."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.processes import Client, Running

expect.set_options(timeout=20_000)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's own; nothing is downloaded."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def show(browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """``await show(daemon, "#logs", width=390)``: the page, live. What its console complains of fails the test,
    but for what holds one of the words in ``forgiven``.
    """
    contexts, complaints = [], []

    async def open_page(
        daemon: Running, at: str = "", *, width: int = 1280, forgiven: tuple[str, ...] = (), **options: Any
    ) -> Page:
        context = await browser.new_context(viewport={"width": width, "height": 844}, **options)
        contexts.append(context)
        page = await context.new_page()

        def complain(text: str) -> None:
            if not any(word in text for word in forgiven):
                complaints.append(text)

        page.on("pageerror", lambda error: complain(f"error: {error}"))
        page.on("console", lambda said: complain(said.text) if said.type in ("error", "warning") else None)
        await page.goto(f"{daemon.url}/ui{at}")
        return page

    yield open_page
    for context in contexts:
        await context.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def connect() -> AsyncIterator[Callable[[Running], Awaitable[Client]]]:
    """As for all tests, on the loop of the browser."""
    sessions = []

    async def open_client(daemon: Running, **headers: str) -> Client:
        sessions.append(aiohttp.ClientSession(daemon.url, headers=headers))
        return Client(sessions[-1])

    yield open_client
    for session in sessions:
        await session.close()
