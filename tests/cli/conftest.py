"""The verbs, called as the shell calls them, against a front hall whose engines are played."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from swapd.cli import main
from swapd.cli.console import Console
from tests.web.conftest import Hall, hall  # noqa: F401  (one of them is a fixture)

Call = Callable[..., Awaitable[Result]]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No config, key or address of the machine that the tests run on."""
    for name in ("SWAPD_CONFIG", "SWAPD_URL", "SWAPD_ADMIN_KEY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def swapd() -> Call:
    """``await swapd("status", "--json")``: the verb's exit code, stdout and stderr."""

    async def call(*words: str, **environ: str) -> Result:
        return await asyncio.to_thread(CliRunner(env=environ).invoke, main, list(words))

    return call


@pytest.fixture
async def front(hall: Callable[..., Awaitable[Hall]], monkeypatch: pytest.MonkeyPatch) -> Hall:  # noqa: F811
    """A front hall that every verb of the test finds."""

    async def nothing(request: web.Request) -> web.Response:
        return web.Response()

    built = await hall(nothing)
    monkeypatch.setenv("SWAPD_URL", f"127.0.0.1:{built.port}")
    return built


class Screen(Console):
    """A console that can be read back, as a pipe or as a terminal of some width."""

    def __init__(self, *, terminal: bool, width: int = 120) -> None:
        self.buffer = io.StringIO()
        super().__init__(self.buffer, terminal, width)

    @property
    def shown(self) -> str:
        """All that was written."""
        return self.buffer.getvalue()


@pytest.fixture
def pipe() -> Screen:
    """Where nobody looks."""
    return Screen(terminal=False)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Where somebody looks, with colours."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen(terminal=True)
