"""Who stands between the driver and the upstream: nobody, nginx, a swapd daemon, or a peer that is up already."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.bench import tools

MODEL = "bench"
ROOT = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds in which whatever is started must answer."""
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream engine {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 60s;
    }}
  }}
}}
"""
SWAPD = """
listen: 127.0.0.1:{port}
state_dir: {folder}/state
log: {{access: {access}}}
budget: {{engines: {engines}}}
scheduling: {{queue: 2048}}
defaults: {{health: /health, concurrency: {concurrency}, ttl: never, needs: {{engines: 1}}}}
models:
"""
MODEL_LINE = "  {name}: {{command: '{upstream} {place}', preload: true}}\n"
PLACES = {"tcp": "--host ${host} --port ${port}", "unix": "--host ${socket} --port 0"}
PLAIN = "import sys; sys.modules['uvloop'] = None; from swapd.cli import main; main()"
"""Python that runs swapd as if uvloop were not installed."""


@dataclass(frozen=True)
class Proxy:
    """Something that answers on ``host``:``port``; its own process, where it is known."""

    name: str
    port: int
    pid: int | None = None
    host: str = "127.0.0.1"

    def resident(self) -> float | None:
        """MiB of its process."""
        return None if self.pid is None else psutil.Process(self.pid).memory_info().rss / 2**20

    def cpu(self) -> float:
        """Seconds of CPU time that all its threads have used; 0 where its process is not known."""
        # The clock of another process, as clock_getcpuclockid(3) makes its number: to the nanosecond.
        return 0.0 if self.pid is None else time.clock_gettime((~self.pid << 3) | 2)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def upstream() -> Iterator[Proxy]:
    """The upstream itself: the first row of the table."""
    command = [str(tools.program("upstream")), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Proxy("direct", int(process.stdout.readline()))
        finally:
            _end(process)


@contextmanager
def nginx(folder: Path, upstream_port: int) -> Iterator[Proxy]:
    """nginx with one worker, in the process that is started: its CPU time is that of its pid."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream_port))
    command = [str(tools.nginx()), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)]
    with _started(command, folder / "nginx.log") as process:
        _await_health(f"http://127.0.0.1:{port}/health", process, folder / "error.log")
        yield Proxy("nginx", port, process.pid)


@contextmanager
def swapd(
    folder: Path,
    *,
    plain: bool = False,
    place: str = "tcp",
    access: bool = False,
    concurrency: int = 256,
    engines: int = 1,
) -> Iterator[Proxy]:
    """A true daemon with ``engines`` models, all up. ``plain``: without uvloop; ``place``: where they listen.

    ``access``: with an access log; nginx keeps none.
    """
    folder.mkdir()
    port, log = free_port(), folder / "swapd.log"
    names = [MODEL, *(f"{MODEL}{n}" for n in range(1, engines))]
    logs = str(access).lower()
    config = SWAPD.format(port=port, folder=folder, engines=engines, concurrency=concurrency, access=logs)
    upstream = tools.program("upstream")
    config += "".join(MODEL_LINE.format(name=name, upstream=upstream, place=PLACES[place]) for name in names)
    (folder / "swapd.yaml").write_text(config)
    python = [sys.executable, *(("-c", PLAIN) if plain else ("-m", "swapd"))]
    with _started([*python, "serve", "-c", str(folder / "swapd.yaml")], log) as process:
        _await_health(f"http://127.0.0.1:{port}/health", process, log)
        _await_engines(process, engines)
        yield Proxy(_name_of(plain, place, access), port, process.pid)


def _name_of(plain: bool, place: str, access: bool) -> str:
    more = {", no uvloop": plain, ", unix": place == "unix", ", log": access}
    return "".join(["swapd", *[name for name, told in more.items() if told]])


def peer(told: str) -> Proxy:
    """The proxy that ``NAME=URL[:PID]`` names. ValueError if it is not like that."""
    name, _, url = told.partition("=")
    where, _, last = url.rstrip("/").rpartition(":")
    pid = int(last) if where.count(":") == 2 else None
    parts = urlsplit(where if pid else url)
    if not name or parts.scheme != "http" or parts.hostname is None or parts.port is None:
        raise ValueError(f"cannot read --peer {told}: it must be like other=http://127.0.0.1:8080 or …:8080:PID")
    return Proxy(name, parts.port, pid, socket.gethostbyname(parts.hostname))


@contextmanager
def _started(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=sink, env=environ) as process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


def _await_health(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    _wait(answers, process, lambda: f"it does not answer {url}\n{log.read_text(errors='replace')[-2000:]}")


def _await_engines(process: subprocess.Popen[bytes], count: int) -> None:
    def up() -> bool:
        return len(psutil.Process(process.pid).children()) >= count

    _wait(up, process, lambda: "its engines are not up")


def _wait(fact: Callable[[], bool], process: subprocess.Popen[bytes], story: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fact():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"cannot start a proxy: {story()}")
        time.sleep(0.02)
