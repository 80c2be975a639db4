"""One lab for all, and swapd in it as `swapd service install` puts it there."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.lab import Lab, missing, wait_for

PROJECT = Path(__file__).parents[2]
HERE = "/opt/swapd/project"
PYTHON = "/opt/swapd/venv/bin/python"
SWAPD = "/usr/local/bin/swapd"
PROGRAM = f"#!{PYTHON}\nimport sys\nsys.path.insert(0, {HERE!r})\nfrom swapd.cli import main\nmain()\n"
FAKE = f"{PYTHON} {HERE}/tests/fakes/llama_server.py --host ${{host}} --port ${{port}} --alias ${{model}}"
CONFIG = "/etc/swapd/swapd.yaml"
DROP_IN = "/run/systemd/system/swapd.service.d/test.conf"


def model(name: str, *flags: str, **keys: str) -> str:
    """A model with a fake engine, as a line of YAML."""
    command = " ".join([FAKE, *flags])
    return f"  {name}: {{" + ", ".join([f"command: '{command}'", *(f"{k}: {v}" for k, v in keys.items())]) + "}\n"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A booted systemd with our program in it, and nothing else of ours."""
    if why := missing():
        pytest.skip(f"no systemd of our own: {why}")
    parts = {PROJECT / name: f"{HERE}/{name}" for name in ("swapd", "systemd", "tests")}
    made = Lab({**parts, Path(sys.prefix): "/opt/swapd/venv"})
    try:
        open_up(made, Path(sys.base_prefix).resolve())
        program = made.root / SWAPD.lstrip("/")
        program.write_text(PROGRAM)
        program.chmod(0o755)
        yield made
    finally:
        made.down()


def open_up(lab: Lab, folder: Path) -> None:
    """Let the service's user in where the interpreter lives: a developer's own is below a home that is closed."""
    for each in (folder, *folder.parents):
        inside = lab.root / str(each).lstrip("/")
        if not inside.stat().st_mode & 0o001:
            inside.chmod(inside.stat().st_mode | 0o011)


class Service:
    """``swapd.service`` in the lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.port = free_port()

    def configure(self, *models: str, head: str = "") -> None:
        """Write the config: what ``model`` makes, and more keys at the top."""
        listen = f"listen: 127.0.0.1:{self.port}\n"
        text = f"{listen}{head}\ndefaults: {{needs: {{ram: 1MiB}}, stop_grace: 300ms}}\nmodels:\n{''.join(models)}"
        self.write(CONFIG, text)

    def write(self, path: str, text: str) -> Path:
        """A file inside, by its path inside."""
        place = self.lab.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def drop_in(self, text: str) -> None:
        """Change the unit, for this test."""
        self.write(DROP_IN, text)
        self.lab.systemctl("daemon-reload")

    def swapd(self, *words: str, check: bool = True) -> Any:
        """``swapd WORDS`` inside, by root."""
        return self.lab.run(SWAPD, *words, check=check)

    def start(self) -> None:
        """Start it; what it said if that fails."""
        done = self.lab.systemctl("start", "swapd", check=False)
        assert done.returncode == 0, done.stderr + self.lab.journal("swapd.service", "-n", "60")

    @property
    def pid(self) -> int:
        """The main process, inside; 0: none."""
        return int(self.show("MainPID"))

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.lab.show("swapd.service", name)

    def ask(self, method: str, path: str, body: Any = None, bound: float = 15.0, key: str = "") -> tuple[int, Any]:
        """A request and its answer: status and JSON, or text. Raises OSError where nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=bound)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        return answer.status, json.loads(text) if text[:1] in "{[" else text

    def chat(self, model: str) -> tuple[int, Any]:
        """A short answer of a model."""
        messages = [{"role": "user", "content": "go"}]
        return self.ask("POST", "/v1/chat/completions", {"model": model, "messages": messages})

    def alive(self) -> bool:
        """Whether it answers."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.ask("GET", "/health", bound=1.0)[0] == 200
        return False

    def models(self) -> dict[str, Any]:
        """The status of each model."""
        return {model["name"]: model for model in self.ask("GET", "/admin/status")[1]["models"]}

    def runs(self) -> dict[str, tuple[int, int]]:
        """The pid and the number of each engine: the same ones were never loaded anew."""
        return {name: (model["pid"], model["run"]) for name, model in self.models().items() if model["pid"]}

    def processes(self) -> dict[int, str]:
        """All that live in its cgroup."""
        return self.lab.processes("swapd.service")

    def groups(self) -> set[str]:
        """The cgroups that it has made for its engines."""
        return {path.name for path in self.lab.group("swapd.service").glob("engine-*/")}

    @contextlib.contextmanager
    def loaded(self, model: str, clients: int = 4) -> Iterator[list[object]]:
        """While clients ask and ask again: the statuses of all answers so far, or what came instead of one."""
        ended, codes = threading.Event(), list[object]()

        def ask() -> None:
            while not ended.is_set():
                try:
                    codes.append(self.chat(model)[0])
                except (OSError, http.client.HTTPException) as error:
                    codes.append(error)

        asking = [threading.Thread(target=ask) for _ in range(clients)]
        for client in asking:
            client.start()
        try:
            wait_for(lambda: len(codes) > 20)
            yield codes
            seen = len(codes)
            wait_for(lambda: len(codes) > seen + 20)
        finally:
            ended.set()
            for client in asking:
                client.join()

    def words(self) -> str:
        """What stands last in its journal, and who lives: for an assertion that fails."""
        return f"{self.lab.journal('swapd.service', '-n', '30')}\n{self.processes()}"

    def reset(self) -> None:
        """As it was installed, and stopped."""
        (self.lab.root / DROP_IN.lstrip("/")).unlink(missing_ok=True)
        stop = "systemctl stop swapd.socket swapd.service; systemctl reset-failed swapd.service"
        self.lab.run("sh", "-c", f"{stop}; systemctl daemon-reload", check=False)


@pytest.fixture(scope="session")
def installed(lab: Lab) -> Service:
    """The service, installed; not started."""
    service = Service(lab)
    service.configure(model("a"))
    service.swapd("service", "install", "--gpu", "none", "--config", CONFIG)
    return service


@pytest.fixture
def service(installed: Service) -> Iterator[Service]:
    """For one test: nothing of it may be left in the unit's cgroup after it was stopped."""
    yield installed
    left = stopped(installed)
    assert left == {}, f"processes were left behind: {installed.words()}"


def stopped(service: Service) -> dict[int, str]:
    """Reset it. What its cgroup still holds is ended, and told."""
    service.reset()
    with contextlib.suppress(AssertionError):
        wait_for(lambda: not service.processes(), 5.0)
    left = service.processes()
    for pid in left:
        service.lab.run("kill", "-9", str(pid), check=False)
    wait_for(lambda: not service.processes(), 5.0)
    return left


def free_port() -> int:
    """One that nobody listens on; below those that connections get, or one of them may take it meanwhile."""
    for port in range(20000 + os.getpid() % 9000, 32000):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                sock.bind(("127.0.0.1", port))
                return port
    raise AssertionError("no free port")
