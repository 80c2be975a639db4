"""The address held by systemd: a request starts the service, and a restart refuses nobody."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator

import pytest

from tests.systemd.conftest import CONFIG, Service, model, stopped
from tests.systemd.lab import wait_for

pytestmark = pytest.mark.proc


@pytest.fixture
def behind(installed: Service) -> Iterator[Service]:
    """The service behind its socket; at the end as it was."""
    installed.configure(model("a"))
    installed.swapd("service", "install", "--gpu", "none", "--config", CONFIG, "--socket")
    installed.lab.systemctl("start", "swapd.socket")
    yield installed
    left = stopped(installed)
    installed.swapd("service", "install", "--gpu", "none", "--config", CONFIG)
    assert left == {}, "processes were left behind"


def test_a_request_starts_the_service_and_is_answered(behind: Service):
    assert (behind.show("ActiveState"), behind.pid) == ("inactive", 0)
    assert behind.chat("a")[0] == 200
    assert behind.show("ActiveState") == "active"


def test_a_restart_under_load_loses_no_request(behind: Service):
    assert behind.chat("a")[0] == 200
    ended = threading.Event()
    codes: list[object] = []

    def ask() -> None:
        while not ended.is_set():
            try:
                codes.append(behind.chat("a")[0])
            except (OSError, http.client.HTTPException) as error:
                codes.append(error)

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: len(codes) > 20)
        daemon = behind.pid
        behind.lab.systemctl("restart", "swapd")
        seen = len(codes)
        wait_for(lambda: len(codes) > seen + 20)
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert behind.pid not in {daemon, 0}
    assert set(codes) == {200}
