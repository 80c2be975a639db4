"""The table of ``swapd status``."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from swapd.cli.status import show
from tests.cli.conftest import Screen
from tests.cli.test_console import ESCAPES

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
COLD = {
    "name": "gemma",
    "aliases": [],
    "state": "cold",
    "run": None,
    "pid": None,
    "endpoint": None,
    "leases": 0,
    "waiting": 0,
    "waiting_for": None,
    "queue": [],
    "needs": {"engines": 1},
    "need_source": None,
    "need_detail": "",
    "load_seconds": None,
    "short": None,
    "never_fits": None,
    "priority": 0,
    "measured": {},
    "since": None,
    "idle": None,
    "pinned": False,
    "last_failure": None,
}
READY = COLD | {
    "name": "qwen-coder",
    "aliases": ["gpt-4o"],
    "state": "ready",
    "run": 7,
    "pid": 4711,
    "endpoint": "http://127.0.0.1:9301",
    "leases": 2,
    "waiting": 3,
    "needs": {"engines": 1, "ram": 1200 << 20},
    "measured": {"ram": 900 << 20, "CUDA0": 0},
    "short": "20 of 33 layers on the GPU",
    "since": "2026-11-21T11:57:30.000Z",
}
WAITING = COLD | {
    "name": "embed",
    "waiting": 1,
    "needs": {"ram": 300 << 20},
    "waiting_for": {"stand": "busy", "text": "waits for qwen-coder to finish 2 requests"},
    "queue": [{"place": 1, "client": "ann", "waited": 4.2, "eta": 12.4}],
}
BROKEN = COLD | {
    "name": "org/broken",
    "state": "backoff",
    "since": "2026-11-21T11:59:50.000Z",
    "last_failure": {
        "at": "2026-11-21T11:59:48.000Z",
        "reason": "exited with code 1",
        "exit": 1,
        "hint": "the model file is cut short",
        "log": ["error: gone"],
    },
}
STATUS = {
    "version": "0.1.0",
    "generation": 3,
    "budget": {"engines": {"total": 1, "used": 1}, "CUDA0": {"total": 22 << 30, "used": 9 << 30}},
    "machine": {
        "CUDA0": {
            "total": 24 << 30,
            "budget": 22 << 30,
            "used": 9 << 30,
            "free": 13 << 30,
            "strangers": 2 << 30,
            "lost": False,
            "age": 1.2,
        },
        "ram": {
            "total": 64 << 30,
            "budget": None,
            "used": 900 << 20,
            "free": 40 << 30,
            "strangers": 0,
            "lost": False,
            "age": 1.2,
        },
        "CUDA1": {
            "total": None,
            "budget": None,
            "used": 0,
            "free": None,
            "strangers": 0,
            "lost": True,
            "age": 1.2,
        },
    },
    "models": [READY, COLD | {"state": "ready", "idle": 61.5}, WAITING, BROKEN],
    "problems": [
        {"file": "swapd.yaml", "line": 4, "column": 7, "key": "models.x.ttl", "message": "not a duration"}
    ],
}


def test_in_a_pipe_every_fact_of_a_model_stands_in_its_row(pipe):
    show(pipe, STATUS, NOW)
    assert pipe.shown.splitlines() == [
        "MODEL       STATE     PID  PORT  LEASES  QUEUE  SINCE   IDLE         MEMORY",
        "qwen-coder  ready    4711  9301       2      3  2m 30s  -      900/1200 MiB",
        "gemma       ready       -     -       0      0  -       1m 1s             -",
        "embed       cold        -     -       0      1  -       -         -/300 MiB",
        "org/broken  backoff     -     -       0      0  10s     -                 -",
        "",
        "SHORT qwen-coder: 20 of 33 layers on the GPU",
        "embed waits for qwen-coder to finish 2 requests (first served in about 12s)",
        "org/broken failed 12s ago: exited with code 1 (the model file is cut short)",
        "memory: CUDA0 9216 MiB of 22.0 GiB used, 13.0 GiB free, 2048 MiB held by others",
        "memory: ram 40.0 GiB free, 0 MiB held by others",
        "memory: CUDA1 is gone: its device does not answer any more",
        "budget: engines 1 of 1",
        "the config has problems; generation 3 stays in force:",
        "swapd.yaml:4:7: models.x.ttl: not a duration",
        "swapd 0.1.0, config generation 3",
    ]


@pytest.mark.parametrize(
    ("execs", "told"), [(0, "3"), (1, "3, executed anew 1 time"), (2, "3, executed anew 2 times")]
)
def test_how_often_swapd_was_executed_anew_is_told_where_it_was(pipe, execs, told):
    show(pipe, STATUS | {"execs": execs}, NOW)
    assert pipe.shown.splitlines()[-1] == f"swapd 0.1.0, config generation {told}"


def test_on_a_terminal_states_have_colours_and_nothing_is_lost_at_eighty_columns(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    narrow = Screen(terminal=True, width=80)
    show(narrow, STATUS, NOW)
    assert "\x1b[32mready" in narrow.shown
    assert "\x1b[33mbackoff" in narrow.shown
    lines = ESCAPES.sub("", narrow.shown).splitlines()
    assert max(map(len, lines)) <= 80
    assert "900/1200 MiB" in lines[1]
    assert "org/broken failed 12s ago: exited with code 1 (the model file is cut short)" in lines


def test_a_socket_is_told_in_a_word(pipe):
    show(pipe, STATUS | {"models": [READY | {"endpoint": "unix:/run/swapd/engines/0123abcd.sock"}]}, NOW)
    assert pipe.shown.splitlines()[1].split()[3] == "unix"


def test_a_model_that_holds_more_than_was_reckoned_is_marked(terminal):
    greedy = READY | {"measured": {"ram": 2000 << 20}}
    show(terminal, STATUS | {"models": [greedy]}, NOW)
    assert "\x1b[33m2000/1200 MiB" in terminal.shown


def test_without_needs_what_is_measured_stands_alone(pipe):
    show(pipe, STATUS | {"models": [READY | {"needs": {"engines": 1}}]}, NOW)
    assert pipe.shown.splitlines()[1].endswith("  900 MiB")


def lines_of(pipe, **facts):
    show(pipe, STATUS | {"models": [COLD | {"need_source": "learned"} | facts]}, NOW)
    return pipe.shown.splitlines()


def test_memory_of_a_gpu_and_of_the_machine_are_not_one_number(pipe):
    needs = {"ram": 60 << 30, "CUDA0": 4 << 30, "CUDA1": 12 << 30}
    lines = lines_of(pipe, needs=needs, measured={"ram": 50 << 30, "CUDA1": 11 << 30})
    assert lines[1].endswith("  11.0/12.0 GiB")


def test_a_need_that_is_not_known_is_a_question_mark_with_a_legend(pipe):
    lines = lines_of(pipe, needs={"ram": 60 << 30}, need_source="unknown")
    assert lines[1].endswith("  ?")
    assert lines[3] == "? not known yet: loads alone"


def test_of_an_unknown_need_what_is_held_is_shown_all_the_same(pipe):
    lines = lines_of(pipe, needs={"CUDA0": 60 << 30}, need_source="unknown", measured={"ram": 900 << 20})
    assert lines[1].endswith("  900 MiB/?")


def test_there_is_no_legend_where_all_is_known(pipe):
    assert not any(line.startswith("?") for line in lines_of(pipe, needs={"ram": 300 << 20}))


def test_what_can_never_be_loaded_is_a_line_below(pipe):
    assert lines_of(pipe, never_fits="it needs 900.0 GiB")[3] == "gemma can never be loaded: it needs 900.0 GiB"


def test_a_config_without_models_is_told_as_such(pipe):
    show(pipe, STATUS | {"models": []}, NOW)
    assert pipe.shown.startswith("no models in the config\n")


async def test_status_and_its_short_name_print_what_the_daemon_says(front, swapd):
    for verb in ("status", "ps"):
        done = await swapd(verb)
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout.startswith("MODEL")
        assert "\norg/beta" in done.stdout
    done = await swapd("status", "--json")
    assert [model["name"] for model in json.loads(done.stdout)["models"]] == list(front.gate.catalog.models)


def test_a_remote_that_nobody_asks_is_shown_with_its_place_and_pools_with_what_they_choose_of(pipe):
    desktop = COLD | {"name": "desktop", "url": "http://192.168.1.20:1234"}
    pool = {"name": "coding", "models": ["desktop", "gemma"], "choose": "warm"}
    show(pipe, STATUS | {"models": [desktop], "pools": [pool]}, NOW)
    row = next(line for line in pipe.shown.splitlines() if line.startswith("desktop"))
    assert row.split()[:4] == ["desktop", "remote", "-", "192.168.1.20:1234"]
    assert "pool: coding warm of desktop, gemma" in pipe.shown
