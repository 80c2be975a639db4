"""A minute of chaos; the plan it is drawn from; and what ends it if its driver is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.chaos import procs
from tests.chaos.__main__ import STUCK
from tests.chaos.drive import LONGER
from tests.chaos.features import ROOT
from tests.chaos.guard import Guard
from tests.chaos.plan import drawn, replayed
from tests.chaos.table import FAULTS
from tests.chaos.verdict import LOST, WRONG

SEED = 4805
"""Its first minute has the daemon killed, upgraded and stopped, and engines killed, deaf and robbed."""

MOST = 60 + LONGER + STUCK + 30
"""Seconds that its driver may take: a slow machine goes on until there were as many faults as on a fast one."""
LAWS = 10
"""That are looked at after each fault, or when all is unloaded."""


def run(*words: str, bound: float, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.chaos", *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=bound,
        env={**os.environ, **environ},
        check=False,
    )


@pytest.mark.chaos
@pytest.mark.timeout(MOST + 20)
def test_a_minute_of_every_fault_loses_nothing_and_gets_nothing_wrong(tmp_path):
    report = tmp_path / "report.json"
    words = ("--seconds", "60", "--at-least", "12", "--seed", str(SEED), "--report", str(report))
    done = run(*words, bound=MOST)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(report.read_text())
    assert (told["outcomes"][LOST], told["outcomes"][WRONG], told["problems"]) == (0, 0, [])
    assert len(told["faults"].keys() & FAULTS.keys()) >= 12
    assert [law["checked"] > 0 for law in told["invariants"].values()] == [True] * LAWS


# The plan


def test_the_same_seed_draws_the_same_plan_and_a_report_brings_it_back():
    plan = drawn(7, 600, {"exec": "it has none"})
    assert plan == drawn(7, 600, {"exec": "it has none"})
    assert plan.faults != drawn(8, 600, {}).faults
    without = {name for name, fault in FAULTS.items() if "exec" in fault.needs}
    assert plan.left_out == dict.fromkeys(without, "it has none")
    assert without
    assert not without & {step.name for step in plan.faults}
    told = json.loads(json.dumps({"plan": plan.as_json()}))
    assert replayed(told) == plan


def test_each_round_of_a_plan_has_every_fault_once():
    plan = drawn(7, 3, {})
    names = [step.name for step in plan.faults]
    assert len(names) == len(set(names)) > 25


def test_the_guard_ends_what_a_killed_driver_leaves(tmp_path):
    mark, folder = os.urandom(8).hex(), tmp_path / "arena"
    folder.mkdir()
    holding = f"with Guard({mark!r}, {str(folder)!r}):\n print(flush=True); time.sleep(60)"
    words = f"import time\nfrom tests.chaos.guard import Guard\n{holding}"
    driver = subprocess.Popen([sys.executable, "-c", words], cwd=ROOT, stdout=subprocess.PIPE)
    driver.stdout.readline()
    left = subprocess.Popen(["sleep", "60"], env={**os.environ, procs.MARK: mark})
    driver.kill()
    driver.wait()
    driver.stdout.close()
    assert left.wait(10) == -9
    deadline = time.monotonic() + 10
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_guard_ends_with_its_driver(tmp_path):
    with Guard("of nobody", tmp_path) as guard:
        pass
    assert guard._watching.returncode == 0
