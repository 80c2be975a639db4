"""A scriptable stand-in for llama-server, for what a real one will not do on demand.

Only the standard library, threads and sockets, so that it starts in some 50 ms. It behaves like the real one
where swapd can tell: 503 while loading, and SIGTERM that kills then; keep-alive that ends after 5 s; SIGTERM
that waits until the clients of running requests have left; a second one that does not.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.serving import Engine, accept


def options() -> argparse.Namespace:
    """The knobs; flags of the real llama-server are taken and ignored."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--alias", default="fake")
    parser.add_argument("-np", "--parallel", type=int, default=4)
    parser.add_argument("--metrics", action="store_true", help="serve /metrics, as the real one")
    parser.add_argument("--load-seconds", type=float, default=0.0)
    parser.add_argument("--never-ready", action="store_true", help="503 for ever")
    parser.add_argument("--hang-health", action="store_true", help="/health is taken, and never answered")
    parser.add_argument("--exit-code", type=int, help="exit before listening, or when --exit-after says")
    parser.add_argument("--exit-after", type=float, help="so many seconds after listening")
    parser.add_argument("--deaf", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--polite", action="store_true", help="on SIGTERM, exit though clients are there")
    parser.add_argument("--grandchild", action="store_true", help="start a child that ignores SIGTERM")
    parser.add_argument("--grandchild-setsid", action="store_true", help="... in a session of its own")
    parser.add_argument("--words", type=int, default=8)
    parser.add_argument("--chunk-seconds", type=float, default=0.0)
    parser.add_argument("--slow-nonstream", type=float, default=0.0, help="seconds, even if the client leaves")
    parser.add_argument("--crash-after-chunks", type=int)
    parser.add_argument("--crash-before-byte", action="store_true")
    parser.add_argument("--keep-alive", type=float, default=5.0, help="0: close after each answer untold")
    parser.add_argument("--log-flood", type=int, default=0, help="MB to stderr, once listening")
    parser.add_argument("--long-line", type=int, default=0, help="bytes of one line to stderr")
    parser.add_argument("--binary-log", action="store_true", help="bytes that are no text to stderr")
    parser.add_argument("--bind-seconds", type=float, default=0.0, help="wait so long before listening")
    parser.add_argument("--daemonize", action="store_true", help="go on as a child in another session, and exit")
    parser.add_argument("--closed-log", action="store_true", help="let go of stdout and stderr, once listening")
    parser.add_argument("--lock", help="a file that only one engine at a time may lock")
    parser.add_argument("--seats", help="a folder of files SEATS/0, SEATS/1 ..., of which each engine locks one")
    parser.add_argument("--seat-count", type=int, default=1, help="that many engines fit")
    parser.add_argument("--whim", help="a JSON file of knobs for one start only, which takes it away")
    parser.add_argument("--journal", help="a file that gets what happens as JSON lines")
    return with_whim(parser.parse_known_args()[0])


def with_whim(opts: argparse.Namespace) -> argparse.Namespace:
    """What the file says for this start goes before the flags: a fault without a changed command line."""
    try:
        text = Path(opts.whim or "").read_text()
        Path(opts.whim).unlink()
    except OSError:
        return opts
    vars(opts).update(json.loads(text))
    return opts


def locked(path: Path) -> Any:
    """The file, to be held for as long as its lock; None if another process holds that."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def take_place(opts: argparse.Namespace, engine: Engine) -> list[Any]:
    """The locks that this engine needs, its children inherit them; exit with 99 if another engine is there."""
    seats = [[Path(opts.seats) / str(number) for number in range(opts.seat_count)]] if opts.seats else []
    held = []
    for choice in [*([[Path(opts.lock)]] if opts.lock else []), *seats]:
        taken = next((file for path in choice if (file := locked(path)) is not None), None)
        if taken is None:
            engine.note("crowded", alias=opts.alias, lock=str(choice[0]))
            quit_with(99, "error: another engine is up")
        held.append(taken)
    return held


def listen(host: str, port: int) -> socket.socket:
    """As the real one: a host that ends in .sock is a path, where nothing may be yet and a file stays behind."""
    if not host.endswith(".sock"):
        return socket.create_server((host, port), backlog=512)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(host)
    except OSError:
        quit_with(1, f"couldn't bind HTTP server socket, hostname: {host}, port: {port}")
    listener.listen(512)
    return listener


def start_grandchild(own_session: bool) -> None:
    """A child that sleeps through SIGTERM."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if own_session:
            os.setsid()
        time.sleep(600)
        os._exit(0)
    sys.stderr.write(f"grandchild {pid}\n")


def daemonize(engine: Engine) -> None:
    """Go on in a child, which begins once nothing is left of the first process."""
    first = os.getpid()
    if os.fork():
        os._exit(0)
    os.setsid()
    while os.getppid() == first:
        time.sleep(0.001)
    engine.note("daemonized")


def make_noise(opts: argparse.Namespace) -> None:
    """Floods, long lines and no text on stderr."""
    line = b"x" * 119 + b"\n"
    for _ in range(opts.log_flood * 1000):
        sys.stderr.buffer.write(line * 9)
    if opts.long_line:
        sys.stderr.buffer.write(b"y" * opts.long_line + b"\nafter the long line\n")
    if opts.binary_log:
        sys.stderr.buffer.write(bytes(range(256)) + b"\nafter no text\n")
    sys.stderr.flush()
    if opts.closed_log:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)


def quit_with(code: int, last: str) -> None:
    """Without waiting for any thread. A negative code: by that signal."""
    sys.stderr.write(last + "\n")
    sys.stderr.flush()
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)


def live(engine: Engine) -> None:
    """Load, then serve until told to stop and left by the clients of running requests."""
    opts = engine.opts

    def on_term(*_: Any) -> None:
        if engine.stopping.is_set():
            quit_with(1, "Received second interrupt, terminating immediately.")
        engine.note("sigterm")
        engine.stopping.set()

    if opts.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    make_noise(opts)
    if opts.exit_after is not None:
        time.sleep(opts.exit_after)
        quit_with(opts.exit_code or 0, f"error: told to exit with {opts.exit_code}")
    time.sleep(1e9 if opts.never_ready else opts.load_seconds)
    if not opts.deaf:
        signal.signal(signal.SIGTERM, on_term)
    engine.loaded.set()
    engine.note("ready")
    engine.stopping.wait()
    while any(engine.busy) and not opts.polite:
        time.sleep(0.01)
    engine.note("exiting")
    quit_with(0, "cleaning up before exit...")


def main() -> None:
    """Listen at once, as the real one does."""
    opts = options()
    engine = Engine(opts)
    engine.note("started")
    held = take_place(opts, engine)
    if opts.exit_code is not None and opts.exit_after is None:
        quit_with(opts.exit_code, f"error: told to exit with {opts.exit_code}")
    if opts.grandchild:
        start_grandchild(opts.grandchild_setsid)
    if opts.daemonize:
        daemonize(engine)
    time.sleep(opts.bind_seconds)
    listener = listen(opts.host, opts.port)
    threading.Thread(target=accept, args=(engine, listener), daemon=True).start()
    live(engine)
    del held


if __name__ == "__main__":
    main()
