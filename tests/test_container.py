"""The container files: linted, and what can be had of them without a container engine tried for true.

``python -m tests.image`` builds the image and runs it; here no container engine is asked for. But the wheel is
made of the files that the builder would get, and the health check asks a true daemon.
"""

from __future__ import annotations

import ast
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from swapd.config import load
from tests.processes import fake

ROOT = Path(__file__).parent.parent
PLACE = ROOT / "configs" / "container"
DOCKERFILE = (PLACE / "Dockerfile").read_text()
COMPOSE = sorted(PLACE.glob("compose*.yaml"))
BESIDE = Path(sys.executable).parent


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(BESIDE))
    return found or pytest.skip(f"needs {name} (`pip install '.[dev]'`)")


def ran(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def service(name: str) -> dict:
    return yaml.safe_load((PLACE / name).read_text())["services"]["swapd"]


def test_the_dockerfile_is_as_the_linter_wants_it():
    assert ran(tool("hadolint"), PLACE / "Dockerfile") == ""


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_the_compose_files_are_what_compose_understands(path):
    ran(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path)


def test_the_compose_file_leaves_no_door_open():
    ran(tool("compose-lint"), PLACE / "compose.yaml")


def test_the_gpu_is_reserved_and_the_base_is_the_one_for_it():
    nvidia, amd = service("compose.nvidia.yaml"), service("compose.amd.yaml")
    (device,) = nvidia["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert nvidia["build"]["args"]["BASE"].endswith(":server-cuda")
    assert amd["build"]["args"]["BASE"].endswith(":server-rocm")
    assert {line.split(":")[0] for line in amd["devices"]} == {"/dev/kfd", "/dev/dri"}


def test_the_config_of_the_container_is_a_good_one_and_guarded():
    loaded = load(PLACE / "config" / "swapd.yaml", {"SWAPD_ADMIN_KEY": "a" * 24, "WEBUI_KEY": "b" * 24})
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.settings.admin_key and loaded.settings.clients
    assert [str(address) for address in loaded.settings.listen] == ["0.0.0.0:9292"]
    assert set(service("compose.yaml")["environment"]) == {"SWAPD_ADMIN_KEY", "WEBUI_KEY"}


@pytest.mark.proc
async def test_the_health_check_asks_a_true_daemon(start):
    words = ast.literal_eval(DOCKERFILE.split("CMD ", 1)[1].splitlines()[0])
    assert shlex.split(service("compose.yaml")["healthcheck"]["test"]) == words
    daemon = start(f"listen: 127.0.0.1:0\nmodels:\n  m: {{command: {fake()!r}}}\n")
    port = daemon.url.rpartition(":")[2]
    ran(sys.executable, "-c", words[2].replace("9292", port))
    daemon.stop()
    with pytest.raises(AssertionError, match="URLError"):
        ran(sys.executable, "-c", words[2].replace("9292", port))


def test_what_the_builder_gets_is_enough_to_make_the_wheel(tmp_path):
    got = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--" not in line]
    let_in = {line[1:] for line in (PLACE / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    names = [name for line in got for name in line]
    assert set(names) == let_in
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    ran(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--wheel-dir",
        tmp_path / "wheel",
        ".",
        cwd=tmp_path,
    )
    (wheel,) = (tmp_path / "wheel").iterdir()
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {"swapd/cli/serve.py", "swapd/cli/units/swapd.service"} <= held
