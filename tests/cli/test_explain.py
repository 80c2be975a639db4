"""``swapd explain``: the sentence first, then the facts, then who waits."""

from __future__ import annotations

import json

from swapd.cli.explain import show
from tests.cli.conftest import Screen
from tests.cli.test_console import ESCAPES
from tests.web.test_explaining import one_at_a_time

GIB = 1 << 30
FOUND = {
    "model": "qwen",
    "state": "cold",
    "run": None,
    "text": "waits for gemma to finish 2 requests; it may be overtaken for another 12 s, then nobody gets past it",
    "wanted": "22 requests wait",
    "stand": "busy",
    "obstacles": [],
    "missing": {"CUDA0": 9 * GIB},
    "patience": 12.0,
    "ready_in": 20.9,
    "waiting": 22,
    "queue": [
        {"place": 1, "client": "open-webui", "waited": 18.2, "eta": 20.9},
        {"place": 2, "client": "", "waited": 3.0, "eta": None},
    ],
    "needs": {"CUDA0": 9 * GIB, "engines": 1},
    "need_source": "learned",
    "need_detail": "3 runs",
    "measured": {},
    "load_seconds": 8.8,
    "short": None,
}


def test_in_a_pipe_every_fact_is_a_line(pipe):
    show(pipe, FOUND)
    assert pipe.shown.splitlines() == [
        "qwen cold",
        "  qwen waits for gemma to finish 2 requests; it may be overtaken for another 12 s, "
        "then nobody gets past it.",
        "  wanted: 22 requests wait",
        "  up: in about 20s, as far as can be told",
        "  missing: 9216 MiB of CUDA0",
        "  needs: 9216 MiB of CUDA0, 1 of engines (learned from earlier runs: 3 runs)",
        "  last load: 8.80 s",
        "",
        "PLACE  CLIENT      WAITED  SERVED IN ABOUT",
        "    1  open-webui     18s              20s",
        "    2  -               3s        not known",
        "and 20 requests more",
    ]


def needs(pipe, **facts):
    show(pipe, FOUND | facts)
    return next((line for line in pipe.shown.splitlines() if line.startswith("  needs: ")), None)


def test_what_the_operator_set_is_not_told_twice(pipe):
    detail = "ram 921600 MiB set by the operator"
    found = needs(pipe, needs={"ram": 900 * GIB}, need_source="operator", need_detail=detail)
    assert found == "  needs: 900.0 GiB of ram, set by the operator"


def test_a_need_that_is_not_known_says_why_and_not_all_there_is(pipe):
    found = needs(pipe, needs={"ram": 9 * GIB}, need_source="unknown", need_detail="cannot read x: gone")
    assert found == "  needs: not known yet: cannot read x: gone"


def test_counters_are_known_though_memory_is_not(pipe):
    found = needs(pipe, needs={"ram": 9 * GIB, "engines": 1}, need_source="unknown", need_detail="")
    assert found == "  needs: 1 of engines, not known yet"


def test_on_a_narrow_terminal_the_sentence_wraps_below_itself(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    narrow = Screen(terminal=True, width=80)
    show(narrow, FOUND)
    lines = ESCAPES.sub("", narrow.shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("  qwen waits")
    assert lines[2].startswith("  ")


def test_a_model_at_rest_shows_only_what_is_known(pipe):
    idle = FOUND | {"state": "ready", "text": "is ready and idle", "wanted": None, "missing": {}, "ready_in": 0.0}
    show(pipe, idle | {"queue": [], "needs": {}, "load_seconds": None, "short": "2048 of 4096 tokens"})
    assert pipe.shown.splitlines() == ["qwen ready", "  qwen is ready and idle.", "  short: 2048 of 4096 tokens"]


async def test_explain_prints_what_the_daemon_says(front, swapd):
    one_at_a_time(front)
    done = await swapd("explain", "org/beta")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("org/beta cold\n  org/beta waits for alpha to finish 1 request; ")
    assert "needs: 3072 MiB of ram (estimated from the file: files 3072 MiB)" in done.stdout
    done = await swapd("explain", "org/beta", "--json")
    assert json.loads(done.stdout)["stand"] == "busy"
    assert (await swapd("explain", "nope")).exit_code == 1
