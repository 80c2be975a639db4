"""The unit while all is well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.systemd.conftest import Service, model, stopped

pytestmark = pytest.mark.proc


@pytest.fixture(scope="module")
def running(installed: Service) -> Iterator[Service]:
    """Started once for all who only look."""
    installed.configure(model("a"), "  b: {path: /no/such.gguf}\n")
    installed.start()
    yield installed
    assert stopped(installed) == {}, "processes were left behind"


def test_it_is_active_only_once_it_listens(running: Service):
    assert running.alive()
    assert (running.show("ActiveState"), running.show("NRestarts")) == ("active", "0")


def test_its_status_says_where_it_listens(running: Service):
    assert f"http://127.0.0.1:{running.port}" in running.lab.systemctl("status", "swapd").stdout


def test_its_lines_in_the_journal_have_their_priority(running: Service):
    words = ("journalctl", "-o", "cat", "_PID=" + str(running.pid))
    everything, warnings = (running.lab.run(*words, *more).stdout for more in ((), ("-p", "warning")))
    assert "is listening on" in everything
    assert "is listening on" not in warnings
    assert "/no/such.gguf" in warnings
    assert "<4>" not in warnings


def test_it_runs_as_its_own_user_in_its_own_folders(running: Service):
    assert running.chat("a")[0] == 200
    owners = running.lab.run("stat", "-c", "%U %a", "/var/lib/swapd", "/var/lib/swapd/tmp", "/run/swapd")
    assert owners.stdout.split("\n")[:3] == ["swapd 700"] * 3
    for pid in running.processes():
        assert running.lab.run("ps", "-o", "user=", "-p", str(pid)).stdout.strip() == "swapd"
