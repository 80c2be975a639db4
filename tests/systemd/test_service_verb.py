"""``swapd service`` in a machine with systemd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.conftest import CONFIG, SWAPD, Service, model, stopped

pytestmark = pytest.mark.proc
UNIT = "/etc/systemd/system/swapd.service"
ODD = "/etc/swapd/it's 100%s/$HOME \"q\\.yaml"
"""A path of which systemd takes every sign for something else."""
INSTALL = ("service", "install", "--gpu", "none", "--config", CONFIG)


@pytest.fixture
def service(installed: Service) -> Iterator[Service]:
    """Whatever a test makes of it, it is installed afterwards as it was before."""
    installed.configure(model("a"))
    before = written(installed)
    yield installed
    left = stopped(installed)
    if written(installed) != before:
        installed.swapd(*INSTALL, "--force")
    assert left == {}


@pytest.fixture
def untouched(installed: Service) -> Iterator[Service]:
    """For what is to change nothing."""
    installed.configure(model("a"))
    before = written(installed)
    yield installed
    assert written(installed) == before
    assert installed.pid == 0


def written(service: Service) -> dict[Path, str]:
    """What stands where `install` writes."""
    folders = ("etc/systemd/system", "etc/systemd/system/swapd.service.d", "etc/sysusers.d", "etc/tmpfiles.d")
    found = [path for folder in folders for path in (service.lab.root / folder).glob("*swapd*")]
    return {path: path.read_text() for path in found if path.is_file()}


def test_to_install_again_changes_nothing(untouched: Service):
    said = untouched.swapd(*INSTALL).stdout
    assert f"{UNIT} is as it should be" in said
    assert "write" not in said


def test_a_dry_run_only_tells(untouched: Service):
    said = untouched.swapd(
        "service", "install", "--gpu", "nvidia", "--config", CONFIG, "--dry-run", "--now"
    ).stdout
    drop_in = "/etc/systemd/system/swapd.service.d/gpu-nvidia.conf"
    assert f"write {drop_in}" in said
    assert "systemctl enable --now swapd.service" in said
    assert not (untouched.lab.root / drop_in.lstrip("/")).exists()
    assert untouched.pid == 0


def test_what_the_operator_edited_is_not_overwritten_unasked(service: Service):
    path = service.lab.root / UNIT.lstrip("/")
    path.write_text(path.read_text().replace("WatchdogSec=30", "WatchdogSec=300"))
    refused = service.swapd(*INSTALL, check=False)
    assert (refused.returncode, UNIT in refused.stderr) == (1, True)
    assert "WatchdogSec=300" in path.read_text()
    assert json.loads(service.swapd("service", "status", "--json").stdout)["files"][UNIT] == "edited"
    assert service.swapd("service", "uninstall", check=False).returncode == 1
    service.swapd(*INSTALL, "--force")
    assert "WatchdogSec=300" in path.with_name("swapd.service.edited").read_text()
    path.with_name("swapd.service.edited").unlink()


def test_it_starts_with_any_config_its_status_tells_and_uninstall_leaves_only_config_and_state(service: Service):
    config = service.write(ODD, (service.lab.root / CONFIG.lstrip("/")).read_text())
    service.swapd("service", "install", "--gpu", "amd", "--config", ODD, "--now")
    assert service.alive()
    found = json.loads(service.swapd("service", "status", "--json").stdout)
    assert set(found["files"].values()) == {"as it should be"}
    assert (found["enabled"], found["active"], found["pid"]) == ("enabled", "active", service.pid)
    assert 0 < found["exposure"] <= 2.1
    assert "active" in service.swapd("service", "status").stdout
    service.swapd("service", "uninstall")
    root = service.lab.root
    assert not service.alive()
    assert list(root.glob("etc/systemd/system/*/swapd*")) == list(root.glob("etc/systemd/system/swapd*")) == []
    assert not (root / "etc/sysusers.d/swapd.conf").exists()
    assert config.exists()
    assert (root / "var/lib/swapd").is_dir()
    found = json.loads(service.swapd("service", "status", "--json").stdout)
    assert found["files"] == {UNIT: "missing"}
    assert service.swapd("service", "uninstall").stdout.startswith("systemctl daemon-reload")


def test_only_root_may(untouched: Service):
    as_swapd = ("setpriv", "--reuid=swapd", "--clear-groups", SWAPD)
    refused = untouched.lab.run(*as_swapd, *INSTALL, check=False)
    assert refused.returncode == 1
    assert "only root may" in refused.stderr


def test_now_without_a_config_is_refused_before_anything_is_done(untouched: Service):
    words = ("service", "install", "--gpu", "none", "--config", "/etc/swapd/no.yaml", "--now")
    refused = untouched.swapd(*words, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "no config at /etc/swapd/no.yaml" in refused.stderr


@pytest.mark.parametrize(("listen", "why"), [("box:9292", "instead of the name"), ("127.0.0.1:0", "the port")])
def test_what_systemd_cannot_hold_is_refused_before_anything_is_done(untouched: Service, listen: str, why: str):
    untouched.write(CONFIG, f"listen: {listen}\ninsecure: true\n")
    refused = untouched.swapd(*INSTALL, "--socket", check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert why in refused.stderr


def test_a_user_without_a_systemd_is_told_so(untouched: Service):
    refused = untouched.lab.run(
        "env", "XDG_RUNTIME_DIR=/run/user/0", SWAPD, "service", "install", "--user", check=False
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no systemd runs for this user" in refused.stderr
