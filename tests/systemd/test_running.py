"""The unit while all is well."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.systemd.conftest import CONFIG, Service, model, stopped
from tests.systemd.lab import wait_for

pytestmark = pytest.mark.proc
MODELS = (model("a"), "  b: {path: /no/such.gguf}\n", model("slow", "--load-seconds 5"))


@pytest.fixture(scope="module")
def running(installed: Service) -> Iterator[Service]:
    """Started once for all, without the folder of credentials."""
    installed.lab.run("rm", "-rf", "/etc/swapd/credentials")
    installed.configure(*MODELS)
    installed.start()
    yield installed
    assert stopped(installed) == {}, "processes were left behind"
    installed.lab.run("mkdir", "-m", "700", "/etc/swapd/credentials")


def test_it_is_active_only_once_it_listens_and_needs_no_credentials(running: Service):
    assert running.alive()
    assert (running.show("ActiveState"), running.show("NRestarts")) == ("active", "0")


def test_its_status_says_where_it_listens(running: Service):
    assert f"http://127.0.0.1:{running.port}" in running.lab.systemctl("status", "swapd").stdout


def test_its_lines_in_the_journal_have_their_priority(running: Service):
    running.lab.run("journalctl", "--sync")
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


def test_the_status_says_what_it_does_while_it_does_it(running: Service):
    assert running.chat("a")[0] == 200
    waiting = threading.Thread(target=running.chat, args=("slow",))
    waiting.start()
    wait_for(lambda: "1 engine ready, slow loading; 1 wait" in running.show("StatusText"))
    running.lab.systemctl("reload", "swapd")
    assert running.models()["slow"]["state"] == "starting"
    waiting.join()
    wait_for(lambda: "2 engines ready" in running.show("StatusText"))


def test_a_reload_is_done_when_systemctl_returns_and_fails_with_the_problem(running: Service):
    running.configure(*MODELS, model("c"))
    running.lab.systemctl("reload", "swapd")
    assert set(running.models()) == {"a", "b", "c", "slow"}
    running.write(CONFIG, f"listen: 127.0.0.1:{running.port}\nmodells: {{}}\n")
    assert running.lab.systemctl("reload", "swapd", check=False).returncode != 0
    assert running.show("ActiveState") == "active"
    assert "swapd.yaml:2:1" in running.lab.journal("swapd", "-n", "40")
    assert set(running.models()) == {"a", "b", "c", "slow"}
    running.configure(*MODELS)


def test_it_executes_itself_anew_and_is_the_same_service_with_the_same_engines(running: Service):
    assert running.chat("a")[0] == 200
    before, daemon = running.runs(), running.pid
    with running.loaded("a", clients=2) as codes:
        assert "kept" in running.swapd("reload", "--exec", "--config", CONFIG).stdout
    assert set(codes) == {200}
    assert (running.pid, running.runs()) == (daemon, before)
    wait_for(lambda: running.show("SubState") == "running")
    wait_for(lambda: "2 engines ready" in running.show("StatusText"), words=running.words)
    assert running.show("NRestarts") == "0"


def test_a_stop_in_the_midst_of_an_upgrade_leaves_nothing(running: Service):
    """The last one: it ends the service."""

    def begun() -> int:
        return running.lab.journal("swapd").count("upgrade: executing swapd anew")

    before = begun()
    running.lab.run("kill", "-USR2", str(running.pid))
    wait_for(lambda: begun() > before)
    running.lab.systemctl("stop", "swapd")
    assert (running.processes(), running.show("Result")) == ({}, "success")
