"""Makes the README's pictures anew: ``python -m tests.screens [FOLDER]``, which is ``docs`` if none is named.

A real daemon with fake engines on an invented machine, some traffic, and a real Chromium that looks at it. What
was before is stretched in the timeline, so that half a minute of it fills a picture.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Page, Route, async_playwright

from tests import screens_top
from tests.processes import Client, Running, daemons, fake, until

STRETCH = 25
DOCS = Path(__file__).parent.parent / "docs"
PLAIN = fake("--chunk-seconds", "0.03", "--words", "24")
CONFIG = f"""
listen: 127.0.0.1:0
budget: {{CUDA0: 22GiB, ram: 48GiB}}
scheduling: {{patience: 500ms, linger: 0s}}
models:
  qwen-coder:
    command: "{PLAIN} --load-seconds 1.2"
    needs: {{CUDA0: 14GiB, ram: 1GiB}}
    concurrency: 2
    aliases: [gpt-4o, "qwen-coder:cold"]
  gemma-vision: {{command: "{PLAIN} --load-seconds 0.8", needs: {{CUDA0: 9GiB}}, concurrency: 2}}
  mistral-small: {{command: "{PLAIN} --load-seconds 0.6", needs: {{CUDA0: 15GiB}}, concurrency: 2}}
  qmd-embed: {{command: "{PLAIN}", needs: {{CUDA0: 640MiB}}, pinned: true}}
  qmd-rerank: {{command: "{PLAIN}", needs: {{CUDA0: 1200MiB}}}}
  whisper: {{command: "{fake("--exit-code", "1")}", needs: {{CUDA0: 2GiB}}, restart: never}}
  desktop: {{url: "http://127.0.0.1:9", engine: lmstudio}}
"""


async def traffic(client: Client) -> None:
    """Some swaps, some waits, one failure."""
    for name in ("qwen-coder", "gemma-vision", "qwen-coder", "mistral-small", "qmd-rerank", "qwen-coder"):
        await asyncio.gather(*(ask(client, name) for _ in range(3)), embed(client))
    async with client.chat("whisper") as answer:
        await answer.read()
    await asyncio.gather(*(ask(client, "qwen-coder") for _ in range(6)), *(embed(client) for _ in range(4)))


async def ask(client: Client, name: str) -> None:
    """A chat, streamed to its end."""
    async with client.chat(name, stream=True, stream_options={"include_usage": True}) as answer:
        await answer.read()


async def embed(client: Client) -> None:
    """Of a text that nobody reads."""
    async with client.http.post("/v1/embeddings", json={"model": "qmd-embed", "input": "a note"}) as answer:
        await answer.read()


async def shoot(page: Page, at: str, path: Path) -> None:
    """One section."""
    await page.locator(f'.top nav a[href="#{at}"]').click()
    await page.locator(f"#t-{at}").wait_for(state="attached")
    await page.evaluate("() => document.querySelector('.top nav').scrollTo(0, 0)")
    await asyncio.sleep(1.5)  # what moves comes to rest
    await page.screenshot(path=path)


async def stretched(route: Route) -> None:
    """The daemon's history, all of it ``STRETCH`` times as long ago."""
    answer = await route.fetch()
    text = await answer.text()
    until = datetime.fromisoformat(json.loads(text)["until"])

    def earlier(found: re.Match[str]) -> str:
        at = until - (until - datetime.fromisoformat(found[0])) * STRETCH
        return at.isoformat(timespec="milliseconds")

    await route.fulfill(response=answer, body=re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", earlier, text))


async def pictures(browser: Browser, daemon: Running, folder: Path) -> None:
    """All of them, while somebody asks."""
    async with aiohttp.ClientSession(daemon.url) as session:
        client = Client(session)
        await until(lambda: client.is_in("qmd-embed", "ready"))
        await traffic(client)
        views = (("light", "light", 1280, 800), ("dark", "dark", 1280, 800), ("phone", "light", 390, 844))
        for name, shade, width, height in views:
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if shade == "dark" else "light",
                device_scale_factor=2 if width < 500 else 1,
            )
            page = await context.new_page()
            await page.add_init_script("localStorage.setItem('swapd.hours', '0.25')")
            await page.route("**/admin/history*", stretched)
            await page.goto(f"{daemon.url}/ui")
            busy = [
                asyncio.ensure_future(ask(client, model)) for model in ("qwen-coder",) * 2 + ("gemma-vision",) * 2
            ]
            await shoot(page, "overview", folder / f"dashboard-{name}.png")
            await shoot(page, "timeline", folder / f"dashboard-timeline-{name}.png")
            await asyncio.gather(*busy)
            await context.close()


async def main(folder: Path) -> None:
    """Into the folder."""
    path = shutil.which("chromium")
    if path is None:
        raise SystemExit("cannot make pictures: chromium is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as scratch, daemons(Path(scratch)) as start:
        daemon = start(CONFIG)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=path, args=flags)
            await pictures(browser, daemon, folder)
            await browser.close()
    await screens_top.draw(folder)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS))
