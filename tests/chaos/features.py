"""What the daemon at hand and this machine can do: what they cannot is left out of the plan, and said so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
ENTERED = "CHAOS_ENTERED"
"""Set where the driver has its own mounts."""


def absent() -> dict[str, str]:
    """Feature -> why it is not there."""
    found: dict[str, str] = {}
    if not _takes("adoption: 60s"):
        found["adoption"] = "the config knows no key 'adoption'"
    if "--exec" not in _told("reload", "--help"):
        found["exec"] = "`swapd reload` has no --exec"
    if faketime() is None:
        found["faketime"] = "libfaketime is not installed (LIBFAKETIME may name the file)"
    if not os.environ.get(ENTERED):
        found["own disk"] = "no private mounts: not root, or unshare is not allowed"
    return found


def faketime() -> Path | None:
    """The library of the Debian package libfaketime; $LIBFAKETIME goes before."""
    if told := os.environ.get("LIBFAKETIME"):
        return Path(told)
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def enter_own_mounts(words: list[str]) -> None:
    """Start the driver again where its mounts are seen by nobody else and end with it. Returns if it cannot."""
    if os.environ.get(ENTERED) or os.geteuid() != 0 or shutil.which("unshare") is None:
        return
    wrap = ["unshare", "-m", "--propagation", "private"]
    if subprocess.run([*wrap, "true"], check=False, capture_output=True).returncode == 0:
        os.environ[ENTERED] = "1"
        os.execvp("unshare", [*wrap, sys.executable, "-m", "tests.chaos", *words])


def environ(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours, with the tree that we are in before any other swapd."""
    kept = {name: value for name, value in os.environ.items() if name not in ("STATE_DIRECTORY", "SWAPD_URL")}
    return {**kept, "PYTHONPATH": str(ROOT), **extra}


def _told(*words: str) -> str:
    command = [sys.executable, "-m", "swapd", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environ({})).stdout


def _takes(line: str) -> bool:
    """Whether the config may hold that line."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(f'{line}\nmodels:\n  a: {{command: "sleep ${{port}}"}}\n')
        file.flush()
        command = [sys.executable, "-m", "swapd", "check", "-c", file.name]
        return subprocess.run(command, check=False, capture_output=True, env=environ({})).returncode == 0
