"""A daemon as ``top`` sees it: frames of ``/admin/live``, made up, and pictures of them as plain text."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from swapd.cli.top.frame import Look, Scene, frame
from swapd.cli.top.glyphs import FINE, Glyphs
from swapd.cli.top.screen import Screen, Size

GIB = 1 << 30
NOW = datetime.fromisoformat("2026-11-22T12:00:00+00:00")
MOMENT = 1000.0


def ago(seconds: float) -> str:
    """So long before the daemon's now."""
    return (NOW - timedelta(seconds=seconds)).isoformat()


def model(name: str, state: str = "cold", **more: Any) -> dict[str, Any]:
    """One model of the stream."""
    cold = {
        "name": name,
        "aliases": [],
        "state": state,
        "run": None,
        "pid": None,
        "endpoint": None,
        "leases": 0,
        "waiting": 0,
        "waiting_for": None,
        "queue": [],
        "needs": {},
        "need_source": "estimate",
        "need_detail": "",
        "measured": {},
        "load_seconds": None,
        "short": None,
        "never_fits": None,
        "since": None,
        "idle_since": None,
        "pinned": False,
        "priority": 0,
        "last_failure": None,
        "slots": 1,
        "engine": "llama.cpp",
        "url": None,
        "requests": 0,
        "tokens": {"prompt": 0, "completion": 0, "per_second": None},
        "last_swap": None,
    }
    return cold | more


def memory(total: int, **more: Any) -> dict[str, Any]:
    """One memory of the machine, in GiB."""
    found = {"total": total * GIB, "budget": None, "used": 0, "free": None, "strangers": 0, "lost": False}
    return found | more


MODELS = [
    model("gemma-3-4b", needs={"CUDA0": 4 * GIB}, aliases=["small"]),
    model(
        "qwen3-coder-30b",
        "ready",
        run=7,
        pid=4711,
        endpoint="http://127.0.0.1:9301",
        leases=2,
        slots=4,
        waiting=3,
        waiting_for={"stand": "slots", "text": "waits for a free slot"},
        queue=[{"place": 1, "client": "open-webui", "since": ago(12), "expected": None}],
        needs={"CUDA0": 19 * GIB, "ram": 2 * GIB},
        measured={"CUDA0": int(18.4 * GIB), "ram": GIB},
        since=ago(750),
        tokens={"prompt": 81234, "completion": 40210, "per_second": 87.4},
        requests=412,
        last_swap={"at": ago(750), "text": "swap gemma-3-4b -> qwen3-coder-30b took 9.3 s, 2 requests waited"},
    ),
    model(
        "embeddinggemma",
        "ready",
        pinned=True,
        run=1,
        pid=4001,
        slots=8,
        needs={"CUDA1": 600 << 20},
        measured={"CUDA1": 512 << 20},
        since=ago(90000),
        idle_since=ago(75),
        requests=99120,
    ),
    model("llama-70b", "starting", needs={"CUDA0": 20 * GIB, "CUDA1": 20 * GIB}, since=ago(4)),
    model(
        "broken",
        "backoff",
        since=ago(3),
        last_failure={
            "at": ago(4),
            "reason": "exited with code 1",
            "hint": "the file is cut short",
            "log": ["no"],
        },
    ),
    model("desktop", url="http://192.168.1.20:1234", engine="lmstudio"),
    model("huge", never_fits="it needs 90.0 GiB of CUDA0, which has 22.0 GiB", needs={"CUDA0": 90 * GIB}),
]
STATUS = {
    "version": "0.1.0",
    "generation": 3,
    "since": ago(7385),
    "budget": {"CUDA0": {"total": 22 * GIB, "used": 19 * GIB}, "engines": {"total": 4, "used": 3}},
    "machine": {
        "CUDA0": memory(24, budget=22 * GIB, used=19 * GIB, free=3 * GIB, strangers=GIB),
        "CUDA1": memory(24, budget=22 * GIB, used=GIB, free=23 * GIB),
        "ram": memory(64, used=2 * GIB, free=40 * GIB, strangers=9 * GIB),
    },
    "problems": [],
    "pools": [],
    "execs": 0,
}
TOLD = [
    ("load", "the operator wants to load llama-70b"),
    ("drain", "drain gemma-3-4b#6: evicted for qwen3-coder-30b"),
    ("gone", "gemma-3-4b#6 is gone: exited with code 0"),
    ("start", "start qwen3-coder-30b#7: asked for"),
    ("ready", "qwen3-coder-30b#7 is ready at http://127.0.0.1:9301 after 8.12 s"),
    ("failed", "broken#3 failed: exited with code 1"),
]


def scene(models: list[dict[str, Any]] | None = None, width: int = 80, height: int = 24, **screen: Any) -> Scene:
    """What there is to see when the stream has just begun."""
    found = Scene(screen=Screen(size=Size(width, height), **screen))
    shown = MODELS if models is None else models
    found.mirror.hear("hello", {"now": NOW.isoformat(), "status": STATUS | {"models": shown}}, MOMENT)
    for n, (kind, text) in enumerate(TOLD):
        found.mirror.hear("told", {"type": kind, "at": ago(60 - n), "text": text, "level": "info"}, MOMENT)
    return found


def look(glyphs: Glyphs = FINE) -> Look:
    """At the moment of the daemon's now."""
    return Look("http://127.0.0.1:9292", MOMENT, NOW, glyphs)


def lines(found: Scene, glyphs: Glyphs = FINE) -> list[str]:
    """The picture as text."""
    return ["".join(bit.text for bit in row) for row in frame(found, look(glyphs))]


def resized(found: Scene, width: int, height: int) -> Scene:
    """The same on another terminal."""
    found.screen = replace(found.screen, size=Size(width, height))
    return found
