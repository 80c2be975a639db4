"""The unit as it is shipped, in a real systemd: start, status, reload, watchdog, crash, stop."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.systemd.conftest import CONFIG, PROJECT, Service, model
from tests.systemd.lab import Lab, wait_for

pytestmark = pytest.mark.proc
UNITS = PROJECT / "systemd"
PROBLEM = "swapd.yaml:1:1: modells: there is no key 'modells' here"
BY_SWAPD = "exec setpriv --reuid=swapd --clear-groups"
ANSWERS = 1.5
"""Seconds after a crash within which the service answers again."""


def test_a_config_with_problems_is_not_tried_again(service: Service):
    service.write(CONFIG, "modells: {}\n")
    assert service.lab.systemctl("start", "swapd", check=False).returncode != 0
    wait_for(lambda: service.show("ActiveState") == "failed")
    assert (service.show("NRestarts"), service.show("ExecMainStatus")) == ("0", "2")
    assert PROBLEM in service.lab.journal("swapd.service", "-p", "err", "-n", "9")
    assert PROBLEM in service.lab.systemctl("status", "swapd", check=False).stdout


def test_a_stop_lets_a_request_end_beyond_its_own_timeout_and_leaves_nothing_of_anybody(service: Service):
    """A deaf engine with a grandchild in a session of its own; and a process that nobody here has started."""
    service.drop_in("[Service]\nTimeoutStopSec=1\n")
    service.configure(model("a", "--deaf --grandchild --grandchild-setsid"), model("b", "--slow-nonstream 1.8"))
    service.start()
    assert service.chat("a")[0] == 200
    stray = f"echo 0 > /sys/fs/cgroup/system.slice/swapd.service/cgroup.procs && {BY_SWAPD} sleep 99"
    service.lab.run("sh", "-c", f"({stray}) </dev/null >/dev/null 2>&1 &")
    wait_for(lambda: "sleep 99" in service.processes().values())
    answers: list[tuple[int, object]] = []
    asking = threading.Thread(target=lambda: answers.append(service.chat("b")))
    asking.start()
    wait_for(lambda: service.models()["b"]["leases"] == 1)
    assert len(service.processes()) >= 5
    began = time.monotonic()
    service.lab.systemctl("stop", "swapd")
    assert time.monotonic() - began < 10
    asking.join()
    assert (answers[0][0], service.show("Result")) == (200, "success")
    assert service.processes() == {}
    assert not service.lab.group("swapd.service").exists()


def test_a_daemon_that_hangs_is_restarted_by_the_watchdog_and_its_engines_stay(service: Service):
    service.drop_in("[Service]\nWatchdogSec=3\n")
    service.configure(model("a"))
    service.start()
    assert service.chat("a")[0] == 200
    daemon, before = service.pid, service.runs()
    service.lab.run("kill", "-STOP", str(daemon))
    wait_for(lambda: service.pid not in {daemon, 0} and service.alive())
    assert (service.show("NRestarts"), service.runs()) == ("1", before)
    assert "Watchdog timeout" in service.lab.journal("swapd.service", "-n", "40")


def test_a_crash_of_the_daemon_costs_no_engine(service: Service):
    service.configure(model("a"), model("b"))
    began = time.monotonic()
    service.start()
    starting = time.monotonic() - began
    assert [service.chat(name)[0] for name in "ab"] == [200, 200]
    before = service.runs()
    took = [crash(service)]
    assert [service.chat(name)[0] for name in "ab" * 5] == [200] * 10
    assert service.runs() == before
    assert service.groups() == {"engine-a-1", "engine-b-1"}
    service.ask("POST", "/admin/models/b/unload")
    assert service.groups() == {"engine-a-1"}
    while min(took) > max(ANSWERS, 2 * starting) and len(took) < 3:  # the machine may be busy
        took.append(crash(service))
    print(f"killed, and answering again after {min(took):.2f} s")  # the figure: pytest -s
    assert min(took) <= max(ANSWERS, 2 * starting), took


def crash(service: Service) -> float:
    """Kill the daemon: the seconds until it answers again."""
    restarts, began = int(service.show("NRestarts")), time.monotonic()
    service.lab.run("kill", "-9", str(service.pid))
    wait_for(lambda: service.alive() and service.show("NRestarts") == f"{restarts + 1}")
    return time.monotonic() - began


def test_a_daemon_that_dies_too_often_leaves_no_engine_for_ever(service: Service):
    service.drop_in("[Unit]\nStartLimitBurst=1\n[Service]\nRestartSec=1ms\n")
    service.configure(model("a", "--deaf"), head="adoption: 1s")
    service.start()
    assert service.chat("a")[0] == 200
    service.lab.run("kill", "-9", str(service.pid))
    wait_for(lambda: service.show("ActiveState") == "failed")
    wait_for(lambda: not service.processes(), 15.0, service.words)
    assert "nobody came back" in service.lab.journal("swapd.service", "-p", "warning", "-n", "9")


def test_a_key_among_the_credentials_counts(service: Service):
    for name in ("laptop", "phone"):
        key = service.write(f"/etc/swapd/credentials/{name}", f"the-secret-of-{name}\n")
        key.chmod(0o600)
    laptop = "laptop: {key_file: '${env.CREDENTIALS_DIRECTORY}/key_laptop'}"
    service.configure(model("a"), head=f"clients: {{{laptop}, phone: {{credential: key_phone}}}}")
    service.start()
    keys = ("the-secret-of-laptop", "the-secret-of-phone", "another-secret")
    assert [service.ask("GET", "/v1/models", key=key)[0] for key in keys] == [200, 200, 401]
    service.lab.run("rm", "-r", "/etc/swapd/credentials")


@pytest.mark.parametrize("vendor", ["none", "nvidia", "amd", "intel"])
def test_the_unit_is_sound_and_as_closed_as_it_says(installed: Service, vendor: str):
    folder = "/run/systemd/system/swapd.service.d"
    drop_in = (UNITS / "gpu" / f"{vendor}.conf").read_text() if vendor != "none" else ""
    place = installed.write(f"{folder}/gpu.conf", drop_in)
    installed.lab.systemctl("daemon-reload")
    checked = installed.lab.run("systemd-analyze", "verify", "/etc/systemd/system/swapd.service", check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    score = installed.lab.run("systemd-analyze", "security", "--no-pager", "swapd.service").stdout
    place.unlink()
    assert float(score.rpartition("swapd.service: ")[2].split()[0]) <= 2.1


def test_the_lab_reaches_nothing_of_the_machine(lab: Lab):
    assert not Path("/etc/systemd/system/lab.target").exists()
    lab.run("touch", "/etc/of-the-lab")
    assert (lab.root / "etc/of-the-lab").exists()
    assert not Path("/etc/of-the-lab").exists()
