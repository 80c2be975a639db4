"""The service of one user."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from tests.systemd.conftest import SWAPD, Service, free_port, model

pytestmark = pytest.mark.proc


def test_a_user_has_a_service_without_root(installed: Service):
    lab = installed.lab
    lab.run("useradd", "--create-home", "--uid", "4711", "ann")
    lab.systemctl("start", "user@4711.service")

    def by_ann(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        environ = ["HOME=/home/ann", "XDG_RUNTIME_DIR=/run/user/4711"]
        return lab.run(
            "setpriv", "--reuid=ann", "--regid=ann", "--init-groups", "env", *environ, *words, check=check
        )

    port = free_port()
    listen = f"listen: 127.0.0.1:{port}\n"
    installed.write("/home/ann/.config/swapd/swapd.yaml", f"{listen}models:\n{model('a')}")
    lab.run("chown", "-R", "ann:ann", "/home/ann")
    try:
        by_ann(SWAPD, "service", "install", "--user", "--now")
        ann = Service(lab)
        ann.port = port
        assert ann.chat("a")[0] == 200
        group = "user.slice/user-4711.slice/user@4711.service/app.slice/swapd.service"
        assert (lab.root / "sys/fs/cgroup" / group / "cgroup.procs").exists()
        by_ann("systemctl", "--user", "stop", "swapd")
        assert not ann.alive()
        by_ann(SWAPD, "service", "uninstall", "--user")
        assert not (lab.root / "home/ann/.config/systemd/user/swapd.service").exists()
    finally:
        with contextlib.suppress(AssertionError):
            lab.systemctl("stop", "user@4711.service")
