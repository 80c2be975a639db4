"""What holds for every test."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path

import aiohttp
import pytest
from hypothesis import HealthCheck, settings

from tests.forking import Forker
from tests.processes import Client, Running, daemons

# In a fresh clone the first text takes seconds: its tables of Unicode are made then, whoever asks for it.
settings.register_profile("here", suppress_health_check=[HealthCheck.too_slow])
# In CI the same examples every time: a finding belongs into a developer's run, where it can be mended.
settings.register_profile("ci", settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session")
def forker() -> Iterator[Forker]:
    """Starts daemons quickly."""
    opened = Forker()
    yield opened
    opened.close()


@pytest.fixture
def start(tmp_path: Path, forker: Forker) -> Iterator[Callable[..., Running]]:
    """``start(yaml)``: a running daemon; what it leaves behind fails the test."""
    with daemons(tmp_path, forker.start) as starter:
        yield starter


@pytest.fixture
def start_fresh(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """The same with nothing spared: each daemon is ``python -m swapd serve``."""
    with daemons(tmp_path) as starter:
        yield starter


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[Running], Awaitable[Client]]]:
    """``await connect(daemon)``: a client of it."""
    sessions: list[aiohttp.ClientSession] = []

    async def open_client(daemon: Running) -> Client:
        sessions.append(aiohttp.ClientSession(daemon.url))
        return Client(sessions[-1])

    yield open_client
    for session in sessions:
        await session.close()


def pytest_configure() -> None:
    """Whoever started us in the background has SIGINT ignored, and every child of ours would do so too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI nothing may hide behind a skip: a real engine that cannot run there is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"
    return report
