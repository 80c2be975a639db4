"""A scriptable stand-in for llama-server, for what a real one will not do on demand.

Only the standard library, threads and sockets, so that it starts in some 50 ms. It behaves like the real
one where swapd can tell: 503 while loading, keep-alive that ends after 5 s, SIGTERM that waits for clients
of streams, a non-stream request that computes on for a client that has left.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
NOT_FOUND = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}


def options() -> argparse.Namespace:
    """The knobs; flags of the real llama-server are taken and ignored."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--alias", default="fake")
    parser.add_argument("-np", "--parallel", type=int, default=4)
    parser.add_argument("--load-seconds", type=float, default=0.0)
    parser.add_argument("--never-ready", action="store_true", help="503 for ever")
    parser.add_argument("--hang-health", action="store_true", help="accept, never answer")
    parser.add_argument("--exit-code", type=int, help="exit before listening")
    parser.add_argument("--deaf", action="store_true", help="ignore SIGTERM")
    parser.add_argument("--polite", action="store_true", help="on SIGTERM, exit though clients are there")
    parser.add_argument("--grandchild", action="store_true", help="start a child that ignores SIGTERM")
    parser.add_argument("--grandchild-setsid", action="store_true", help="... in a session of its own")
    parser.add_argument("--words", type=int, default=8)
    parser.add_argument("--chunk-seconds", type=float, default=0.0)
    parser.add_argument("--slow-nonstream", type=float, default=0.0)
    parser.add_argument("--crash-after-chunks", type=int)
    parser.add_argument("--crash-before-byte", action="store_true")
    parser.add_argument("--keep-alive", type=float, default=5.0, help="0: close after each answer untold")
    parser.add_argument("--log-flood", type=int, default=0, help="MB to stderr at the start")
    parser.add_argument("--long-line", type=int, default=0, help="bytes of one line to stderr")
    parser.add_argument("--lock", help="a file that only one engine at a time may lock")
    parser.add_argument("--journal", help="a file that gets what happens as JSON lines")
    return parser.parse_known_args()[0]


class Journal:
    """What happened, for tests to wait for."""

    def __init__(self, path: str | None) -> None:
        self._file = Path(path).open("a", buffering=1) if path else None  # noqa: SIM115  (open for life)

    def note(self, event: str, **more: Any) -> None:
        """Append one line."""
        if self._file is not None:
            line = {"event": event, "pid": os.getpid(), "at": time.monotonic(), **more}
            self._file.write(json.dumps(line) + "\n")


class Engine:
    """The state that all connections share."""

    def __init__(self, opts: argparse.Namespace) -> None:
        self.opts = opts
        self.journal = Journal(opts.journal)
        self.busy = [False] * opts.parallel
        self.streams = 0
        self.ready_at = time.monotonic() + opts.load_seconds
        self.stopping = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return not self.opts.never_ready and time.monotonic() >= self.ready_at

    def take_slot(self) -> int:
        """A free slot, or the first one where all are taken."""
        slot = self.busy.index(False) if False in self.busy else 0
        self.busy[slot] = True
        return slot


class Gone(Exception):
    """The client has left."""


class Connection:
    """One client's connection, served in a thread of its own."""

    def __init__(self, engine: Engine, sock: socket.socket) -> None:
        self.engine = engine
        self.opts = engine.opts
        self.sock = sock
        self.file = sock.makefile("rb")

    def serve(self) -> None:
        """Requests, one after another, until either side is done."""
        try:
            while self.wait_for_request() and self.one() and self.opts.keep_alive > 0:
                pass
        except (OSError, ValueError, Gone):
            pass
        finally:
            self.file.close()
            self.sock.close()

    def wait_for_request(self) -> bool:
        """False once the keep-alive time is over. Only ever asked with an empty buffer."""
        readable, _, _ = select.select([self.sock], [], [], self.opts.keep_alive or 5.0)
        return bool(readable)

    def one(self) -> bool:
        """Read and answer one request; False at the end of the connection."""
        line = self.file.readline().decode().split()
        if len(line) < 3:
            return False
        headers: dict[str, str] = {}
        while (header := self.file.readline().decode().rstrip("\r\n")) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = self.file.read(int(headers.get("content-length", "0")))
        if self.opts.hang_health:
            self.engine.stopping.wait()
            return False
        path, _, query = line[1].partition("?")
        self.answer(line[0], path, query, headers, body)
        return headers.get("connection", "").lower() != "close"

    def answer(self, method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
        """The routes."""
        if path == "/echo":
            digest = hashlib.sha256(body).hexdigest()
            told = {"method": method, "path": path, "query": query, "headers": headers}
            self.send({**told, "length": len(body), "sha256": digest})
        elif not self.engine.ready:
            self.send(LOADING, 503)
        elif path == "/health":
            self.send({"status": "ok"})
        elif path == "/slots":
            self.send([{"id": i, "is_processing": busy} for i, busy in enumerate(self.engine.busy)])
        elif path in ("/props", "/v1/models"):
            self.send({"object": "list", "data": [{"id": self.opts.alias}]})
        elif path == "/v1/embeddings":
            self.send({"object": "list", "data": [{"index": 0, "embedding": [0.5, 0.25]}]})
        elif path == "/v1/rerank":
            documents = json.loads(body)["documents"]
            results = [{"index": i, "relevance_score": float(-i)} for i in range(len(documents))]
            self.send({"results": results})
        elif path in ("/v1/chat/completions", "/v1/completions"):
            self.generate(json.loads(body))
        else:
            self.send(NOT_FOUND, 404)

    def generate(self, asked: dict[str, Any]) -> None:
        """Words ("NAME 1 2 3 ..."), at once or word by word."""
        self.engine.journal.note("request", stream=bool(asked.get("stream")))
        slot = self.engine.take_slot()
        words = [" " + self.opts.alias] + [f" {i}" for i in range(1, asked.get("words", self.opts.words))]
        if self.opts.crash_before_byte:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            if asked.get("stream"):
                self.stream(words, asked)
            else:
                self.engine.stopping.wait(asked.get("slow_nonstream", self.opts.slow_nonstream))
                message = {"role": "assistant", "content": "".join(words)}
                choice = {"index": 0, "message": message, "finish_reason": "stop"}
                usage = {"prompt_tokens": 1, "completion_tokens": len(words), "total_tokens": len(words) + 1}
                self.send({"object": "chat.completion", "choices": [choice], "usage": usage})
        finally:
            self.engine.busy[slot] = False

    def stream(self, words: list[str], asked: dict[str, Any]) -> None:
        """Server-sent events; after SIGTERM not one more, but the socket stays open for its client."""
        self.engine.streams += 1
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.sock.sendall(head.encode())
        crash = asked.get("crash_after_chunks", self.opts.crash_after_chunks)
        try:
            for number, word in enumerate(words):
                if number == crash:
                    os.kill(os.getpid(), signal.SIGKILL)
                delta = {"index": 0, "delta": {"content": word}, "finish_reason": None}
                self.event(json.dumps({"object": "chat.completion.chunk", "choices": [delta]}))
                self.pause(asked.get("chunk_seconds", self.opts.chunk_seconds))
            self.event("[DONE]")
            self.sock.sendall(b"0\r\n\r\n")
        finally:
            self.engine.streams -= 1

    def event(self, data: str) -> None:
        """One chunk."""
        text = f"data: {data}\n\n".encode()
        self.sock.sendall(b"%x\r\n%s\r\n" % (len(text), text))

    def pause(self, seconds: float) -> None:
        """Between two words: notice a client that left; once told to stop, wait for it to leave."""
        deadline = time.monotonic() + seconds
        while True:
            stopping = self.engine.stopping.is_set() and not self.opts.polite
            left = 3600.0 if stopping else max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([self.sock], [], [], min(left, 0.05))
            if readable and not self.sock.recv(1, socket.MSG_PEEK):
                self.engine.journal.note("client_left")
                raise Gone
            if left == 0.0:
                return

    def send(self, data: Any, status: int = 200) -> None:
        """A JSON answer."""
        body = json.dumps(data).encode()
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.sock.sendall(head.encode() + body)


def take_lock(path: str) -> None:
    """Hold the lock for life; exit with 99 if another engine holds it."""
    file = Path(path).open("w")  # noqa: SIM115  (open for life)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.stderr.write("error: another engine is up\n")
        sys.exit(99)
    globals()["_lock"] = file


def start_grandchild(own_session: bool) -> None:
    """A child that sleeps through SIGTERM."""
    sys.stderr.flush()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if own_session:
            os.setsid()
        time.sleep(600)
        os._exit(0)


def make_noise(opts: argparse.Namespace) -> None:
    """Floods and long lines on stderr."""
    line = b"x" * 119 + b"\n"
    for _ in range(opts.log_flood * 1000):
        sys.stderr.buffer.write(line * 9)
    if opts.long_line:
        sys.stderr.buffer.write(b"y" * opts.long_line + b"\nafter the long line\n")
    sys.stderr.flush()


def main() -> None:
    """Listen, then serve until told to stop."""
    opts = options()
    engine = Engine(opts)
    engine.journal.note("started")
    if opts.lock:
        take_lock(opts.lock)
    if opts.exit_code is not None:
        sys.stderr.write(f"error: told to exit with {opts.exit_code}\n")
        sys.exit(opts.exit_code)
    if opts.grandchild:
        start_grandchild(opts.grandchild_setsid)
    listener = socket.create_server((opts.host, opts.port), backlog=512)

    def on_term(*_: Any) -> None:
        engine.journal.note("sigterm")
        if not opts.deaf:
            engine.stopping.set()

    signal.signal(signal.SIGTERM, on_term)
    threading.Thread(target=accept, args=(engine, listener), daemon=True).start()
    make_noise(opts)
    while not engine.stopping.is_set() or engine.streams > 0:
        time.sleep(0.01)
    engine.journal.note("exiting")
    sys.stderr.write("cleaning up before exit...\n")
    sys.stderr.flush()
    os._exit(0)


def accept(engine: Engine, listener: socket.socket) -> None:
    """A thread for each connection."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Connection(engine, sock).serve, daemon=True).start()


if __name__ == "__main__":
    main()
