"""The table of ``swapd status``."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from swapd.cli.status import show
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
    "needs": {"engines": 1},
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
    "measured": {"ram": 900 << 20},
    "since": "2026-11-21T11:57:30.000Z",
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
    "models": [READY, COLD | {"state": "ready", "idle": 61.5}, BROKEN],
    "problems": [
        {"file": "swapd.yaml", "line": 4, "column": 7, "key": "models.x.ttl", "message": "not a duration"}
    ],
}


def test_in_a_pipe_every_fact_of_a_model_stands_in_its_row(pipe):
    show(pipe, STATUS, NOW)
    assert pipe.shown.splitlines() == [
        "MODEL       STATE     PID  PORT  LEASES  QUEUE  SINCE   IDLE    MEMORY  LAST FAILURE",
        "qwen-coder  ready    4711  9301       2      3  2m 30s  -      900 MiB  -",
        "gemma       ready       -     -       0      0  -       1m 1s        -  -",
        "org/broken  backoff     -     -       0      0  10s     -            -  "
        "12s ago: exited with code 1 (the model file is cut short)",
        "",
        "budget: engines 1 of 1",
        "budget: CUDA0 9.0 GiB of 22.0 GiB",
        "the config has problems; generation 3 stays in force:",
        "swapd.yaml:4:7: models.x.ttl: not a duration",
        "swapd 0.1.0, config generation 3",
    ]


def test_on_a_terminal_states_have_colours_and_a_long_failure_wraps_below_itself(terminal):
    show(terminal, STATUS, NOW)
    assert "\x1b[32mready" in terminal.shown
    assert "\x1b[33mbackoff" in terminal.shown
    lines = ESCAPES.sub("", terminal.shown).splitlines()
    head = lines[0].index("LAST FAILURE")
    row = next(n for n, line in enumerate(lines) if line.startswith("org/broken"))
    assert lines[row][head:].startswith("12s ago")
    assert lines[row + 1][:head].strip() == ""


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
