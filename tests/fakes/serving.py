"""The fake engine's HTTP side: raw sockets and threads, so that every byte and every pause is ours."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

from tests.fakes import misbehaving, shapes


class Engine:
    """What all connections share: the slots, the journal, whether it is loaded, whether it is to end."""

    def __init__(self, opts: argparse.Namespace) -> None:
        self.opts = opts
        self.loaded = threading.Event()
        self.stopping = threading.Event()
        self.free = threading.Semaphore(opts.parallel)
        self.busy = [False] * opts.parallel
        self._journal = Path(opts.journal).open("a", buffering=1) if opts.journal else None  # noqa: SIM115

    def note(self, event: str, **more: Any) -> None:
        """Append a line to the journal, for tests to wait for."""
        if self._journal is not None:
            line = {"event": event, "pid": os.getpid(), "at": time.monotonic(), **more}
            self._journal.write(json.dumps(line) + "\n")

    def take_slot(self) -> int:
        """Wait for a free slot and take it."""
        self.free.acquire()
        slot = self.busy.index(False)
        self.busy[slot] = True
        return slot

    def give_slot(self, slot: int) -> None:
        """It is free again."""
        self.busy[slot] = False
        self.free.release()


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
            while self.one() and self.opts.keep_alive > 0:
                pass
        except (OSError, ValueError, Gone):
            pass
        finally:
            self.file.close()
            self.sock.close()

    def one(self) -> bool:
        """Read and answer one request; False at the end of the connection."""
        self.sock.settimeout(self.opts.keep_alive or 5.0)
        line = self.file.readline().decode().split()
        self.sock.settimeout(None)
        if len(line) < 3:
            return False
        headers = []
        while (header := self.file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = header.partition(":")
            headers.append((name, value.strip()))
        named = {name.lower(): value for name, value in headers}
        self.answer(line[0], line[1], headers, self.body(named))
        return named.get("connection", "").lower() != "close"

    def body(self, headers: dict[str, str]) -> bytes:
        """By length, or in chunks."""
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.file.read(int(headers.get("content-length", "0")))
        parts = []
        while size := int(self.file.readline().split(b";")[0], 16):
            parts.append(self.file.read(size))
            self.file.readline()
        self.file.readline()
        return b"".join(parts)

    def answer(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """The routes."""
        path, alias = target.partition("?")[0], self.opts.alias
        if path == "/health" and self.opts.hang_health:
            threading.Event().wait()
        elif path == "/echo":
            self.send(shapes.echo(method, target, headers, body))
        elif not self.engine.loaded.is_set():
            self.send(shapes.LOADING, 503)
        elif path == "/health":
            self.send({"status": "ok"})
        elif path == "/slots":
            self.send([{"id": i, "is_processing": busy} for i, busy in enumerate(self.engine.busy)])
        elif path == "/props":
            self.send(shapes.props(alias, self.opts.parallel))
        elif path == "/metrics" and self.opts.metrics:
            self.send_bytes(shapes.metrics(sum(self.engine.busy)), "text/plain; version=0.0.4")
        elif path == "/v1/models":
            self.send(shapes.models(alias))
        elif method == "POST":
            self.compute(path, body)
        else:
            self.send(shapes.NOT_FOUND, 404)

    def compute(self, path: str, body: bytes) -> None:
        """The routes that take JSON."""
        try:
            asked = json.loads(body)
        except ValueError:
            self.send(shapes.BAD_JSON, 400)
            return
        if path == "/v1/embeddings":
            self.send(shapes.embeddings(self.opts.alias, asked))
        elif path in ("/v1/rerank", "/rerank"):
            self.send(shapes.rerank(self.opts.alias, asked))
        elif path in ("/v1/chat/completions", "/v1/completions"):
            self.generate(asked, chat="chat" in path)
        else:
            self.send(shapes.NOT_FOUND, 404)

    def generate(self, asked: dict[str, Any], chat: bool) -> None:
        """Words, at once or one by one. Any knob may be in the body too."""
        self.engine.note("request", stream=bool(asked.get("stream")))
        slot = self.engine.take_slot()
        knobs = argparse.Namespace(**{**vars(self.opts), **asked})
        tag = f":{asked['tag']}" if "tag" in asked else ""
        said = shapes.words(self.opts.alias + tag, knobs.words)
        if knobs.crash_before_byte:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            if "manner" in asked:
                body = json.dumps(shapes.whole(self.opts.alias, said, chat)).encode()
                misbehaving.answer(self.sock, asked["manner"], body)
            elif asked.get("stream"):
                self.stream(said, chat, knobs)
            else:
                self.work(knobs.slow_nonstream, leave=False)
                self.send(shapes.whole(self.opts.alias, said, chat))
        finally:
            self.engine.give_slot(slot)

    def stream(self, said: list[str], chat: bool, knobs: argparse.Namespace) -> None:
        """Server-sent events."""
        alias = self.opts.alias
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.sock.sendall(head.encode())
        for number, word in enumerate(said):
            if number == knobs.crash_after_chunks:
                os.kill(os.getpid(), signal.SIGKILL)
            self.event(json.dumps(shapes.piece(alias, word, chat, first=number == 0)))
            self.work(knobs.chunk_seconds, leave=True)
        self.event(json.dumps(shapes.piece(alias, None, chat)))
        if (getattr(knobs, "stream_options", None) or {}).get("include_usage"):
            self.event(json.dumps(shapes.counted(alias, len(said), chat)))
        self.event("[DONE]")
        self.sock.sendall(b"0\r\n\r\n")

    def event(self, data: str) -> None:
        """One event in one chunk."""
        text = f"data: {data}\n\n".encode()
        self.sock.sendall(b"%x\r\n%s\r\n" % (len(text), text))

    def work(self, seconds: float, leave: bool) -> None:
        """Compute for a while. A client that leaves ends it at once if ``leave``, else only the answer.

        Once told to stop there is nothing to wait for but that the client leaves.
        """
        deadline, left = time.monotonic() + seconds, False
        while True:
            stopping = self.engine.stopping.is_set() and not self.opts.polite
            rest = deadline - time.monotonic()
            readable, _, _ = select.select([] if left else [self.sock], [], [], max(0.0, min(rest, 0.05)))
            if readable and not self.sock.recv(1, socket.MSG_PEEK):
                self.engine.note("client_left")
                left = True
            if left and (leave or stopping or rest <= 0):
                raise Gone
            if rest <= 0 and not stopping:
                return
            if stopping and rest <= 0:
                time.sleep(0.01)

    def send(self, data: Any, status: int = 200) -> None:
        """A JSON answer."""
        self.send_bytes(json.dumps(data).encode(), "application/json", status)

    def send_bytes(self, body: bytes, kind: str, status: int = 200) -> None:
        """An answer of that media type."""
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.sock.sendall(head.encode() + body)


def accept(engine: Engine, listener: socket.socket) -> None:
    """A thread for each connection."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=Connection(engine, sock).serve, daemon=True).start()
