"""Against a real daemon: the cost of a swap that is measured is the one that the daemon tells of."""

from __future__ import annotations

import json

import pytest

from swapd.loadtest.course import Course, Load
from swapd.loadtest.question import Form
from swapd.loadtest.result import told
from swapd.loadtest.side import Side
from swapd.loadtest.swaps import Swaps
from tests.processes import fake

pytestmark = pytest.mark.e2e
CONFIG = """
listen: 127.0.0.1:0
budget: {{engines: 1}}
scheduling: {{linger: 0s}}
models:
  alpha: {{command: "{command}"}}
  beta: {{command: "{command}"}}
"""


async def test_a_swap_costs_what_the_daemon_says(start):
    daemon = start(CONFIG.format(command=fake("--load-seconds", "0.4")))
    swaps = Swaps(Load(Form(most=4)), [Side("A", daemon.url, ("alpha", "beta"))], rounds=3)
    await swaps.run()
    [side] = told(swaps, "now", 1.0, False)["sides"]
    for change in side["changes"]:
        assert (change["swapped"], change["errors"]) == (3, [])
        assert change["loaded"]["median"] >= 0.4
        assert change["queued"]["median"] >= change["loaded"]["median"]
        assert change["cost"]["first_byte"]["median"] == pytest.approx(change["queued"]["median"], abs=0.25)


async def test_errors_of_the_daemon_are_told_by_their_code(start):
    daemon = start(CONFIG.format(command=fake()))
    course = Course(Load(Form(), requests=3, warmup=0), [Side("A", daemon.url, ("nobody",))])
    await course.run()
    errors = told(course, "now", 1.0, False)["sides"][0]["errors"]
    assert json.dumps(errors).count("http_404 model_not_found") == 1
    assert errors[0]["count"] == 3
