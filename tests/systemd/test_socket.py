"""The address held by systemd: a request starts the service, and a restart refuses nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.conftest import CONFIG, Service, model, stopped

pytestmark = pytest.mark.proc


@pytest.fixture(scope="module")
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
    daemon = behind.pid
    with behind.loaded("a") as codes:
        behind.lab.systemctl("restart", "swapd")
    assert behind.pid not in {daemon, 0}
    assert set(codes) == {200}


def test_executed_anew_under_load_it_keeps_systemd_s_socket_and_loses_no_request(behind: Service):
    assert behind.chat("a")[0] == 200
    daemon, before = behind.pid, behind.runs()
    with behind.loaded("a", clients=2) as codes:
        behind.swapd("reload", "--exec", "--config", CONFIG)
    assert set(codes) == {200}
    assert (behind.pid, behind.runs()) == (daemon, before)
    assert behind.lab.show("swapd.socket", "SubState") == "running"
