"""Draws ``docs/top.svg``: a true ``swapd top`` in a true terminal, over a daemon whose engines are fakes."""

from __future__ import annotations

import asyncio
import io
import re
import tempfile
from pathlib import Path

import aiohttp

from tests.processes import Client, Running, daemons, fake
from tests.terminals import SWAPD, Terminal

COLUMNS, LINES = 120, 30
DOCS = Path(__file__).parent.parent / "docs"
ELSEWHERE = re.compile(r"@font-face \{\{.*?\}\}|<!--.*?-->", re.DOTALL)
"""Rich's template fetches a font; the reader's own will do."""


def config() -> str:
    """A box with two GPUs, as it might be."""
    slow = fake("--load-seconds", "1.2", "--words", "900", "--chunk-seconds", "0.02")
    quick = fake("--load-seconds", "0.6")
    return f"""
listen: 127.0.0.1:0
budget: {{CUDA0: 22GiB, CUDA1: 22GiB}}
scheduling: {{patience: 1s, linger: 0s}}
models:
  qwen3-coder-30b: {{command: "{slow}", concurrency: 2, needs: {{CUDA0: 19GiB}}, aliases: [gpt-4o]}}
  gemma-3-27b: {{command: "{quick}", concurrency: 2, needs: {{CUDA0: 17GiB}}}}
  embeddinggemma: {{command: "{quick}", concurrency: 8, needs: {{CUDA1: 1GiB}}, pinned: true}}
  whisper-large: {{command: "{quick}", needs: {{CUDA1: 4GiB}}}}
  llama-3.3-70b: {{command: "{fake("--load-seconds", "60")}", needs: {{CUDA1: 16GiB}}}}
  mistral-nemo: {{command: "{fake("--exit-code", "1")}", needs: {{CUDA1: 9GiB}}}}
  phi-4: {{command: "{quick}", needs: {{CUDA0: 10GiB}}}}
  deepseek-r1: {{command: "{quick}", needs: {{CUDA0: 400GiB}}}}
"""


async def happen(daemon: Running) -> list[asyncio.Task[object]]:
    """What is to be seen: two swaps, a failure, a queue, a load. Some requests go on."""
    session = aiohttp.ClientSession(daemon.url)
    client = Client(session)
    await asyncio.gather(*(client.text("gemma-3-27b") for _ in range(6)))
    await asyncio.gather(*(client.text("whisper-large") for _ in range(3)))
    async with client.chat("mistral-nemo") as answer:
        await answer.read()
    streams = [asyncio.ensure_future(_stream(client)) for _ in range(5)]
    loads = [asyncio.ensure_future(_load(session))]
    await asyncio.sleep(6)
    return [*streams, *loads, asyncio.ensure_future(_close_later(session))]


async def _stream(client: Client) -> None:
    async with client.chat("qwen3-coder-30b", stream=True) as answer:
        await answer.read()


async def _load(session: aiohttp.ClientSession) -> None:
    async with session.post("/admin/models/llama-3.3-70b/load") as answer:
        await answer.read()


async def _close_later(session: aiohttp.ClientSession) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await session.close()


def photograph(daemon: Running, folder: Path) -> str:
    """The screen with its styles."""
    terminal = Terminal(folder, COLUMNS, LINES, TERM="xterm-256color")
    try:
        terminal.run(f"{SWAPD} top --url {daemon.url}")
        terminal.wait("qwen3-coder-30b")
        terminal.press("j")
        terminal.wait("▶")
        return terminal.screen("-e", "-N")
    finally:
        terminal.close()


def svg(screen: str) -> str:
    """The screen as a picture that needs nothing from elsewhere."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.ansi import AnsiDecoder
    from rich.console import Console

    console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True)
    for line in AnsiDecoder().decode(screen):  # one for all: tmux says a style once, not on each line
        console.print(line, no_wrap=True, overflow="crop")
    return console.export_svg(
        title="swapd top", code_format=ELSEWHERE.sub("", CONSOLE_SVG_FORMAT), unique_id="top"
    )


async def draw(folder: Path) -> None:
    """Write the picture into the folder."""
    with tempfile.TemporaryDirectory() as name, daemons(Path(name)) as start:
        daemon = start(config())
        tasks = await happen(daemon)
        screen = await asyncio.to_thread(photograph, daemon, Path(name))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.svg").write_text(svg(screen))


if __name__ == "__main__":
    asyncio.run(draw(DOCS))
