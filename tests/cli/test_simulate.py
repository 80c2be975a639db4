"""``swapd simulate``: the tables, the one object of ``--json``, configs, and traces that cannot be read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from swapd.cli.simulate.play import CUT, play
from swapd.config import load
from swapd.core.commands import Cause, Grant, Revoke, Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked
from swapd.core.spec import Catalog, Launch, Spec, Terms
from swapd.lab import simulate as lab
from swapd.lab.trace import Request, Trace, header, line, load_line
from swapd.machine.ledger import Ledger
from swapd.machine.weighing import Weighing
from tests.ledgers import GIB, Warnings, ran

CONFIG = """
budget: {engines: 2}
scheduling: {patience: 20s}
models:
  a: {command: "true ${port}", aliases: [gpt-4o], concurrency: 2}
  b: {command: "true ${port}"}
  c: {command: "true ${port}"}
"""
SHAPE = {"trace", "policy", "seeds", "loads", "load_seconds", "served", "wait", "bound", "per_model", "per_client"}
POLICIES = ["swapd", "fifo", "lru", "bypass"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Turns of three models; one request was refused, and of one model no load was seen."""
    asked = [Request(20.0 * n, "abc"[n % 3], 2.0, "client-1") for n in range(9)]
    refused = Request(5.0, "b", 0.0, "client-2", outcome="queue_full")
    path = tmp_path / "trace.jsonl"
    path.write_bytes(
        header({"a": 4.0}) + b"".join(map(line, asked)) + line(refused) + b"garbage\n" + load_line("b", 3.0)
    )
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(CONFIG)
    return path


async def test_all_policies_are_shown_side_by_side_swapd_first(swapd):
    done = await swapd("simulate", "--trace", "notes", "--seeds", "1", "--hours", "0.3")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "notes: 1 seed, 0.3 h each; a client asks again only after its answer"
    assert lines[1].split()[:2] == ["POLICY", "LOADS"]
    assert [line.split()[0] for line in lines[2:6]] == POLICIES
    assert lines[6].startswith("bound: the least loads that serve the same")
    assert "at most 1 model up at once" in lines[6]
    assert [line.split()[0] for line in lines[9:13]] == ["chat", "embed", "expand", "rerank"]
    assert [line.split()[0] for line in lines[15:18]] == ["chat", "search-1", "search-2"]
    assert all(line.startswith("advice: ") for line in lines[19:])
    assert lines[19:]


@pytest.mark.parametrize("policy", POLICIES)
async def test_json_is_one_object_of_the_shape_that_is_promised(policy, swapd):
    done = await swapd(
        "simulate", "--trace", "mix", "--policy", policy, "--seeds", "2", "--hours", "0.2", "--json"
    )
    assert (done.exit_code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert set(found) == SHAPE
    assert (found["trace"], found["policy"], found["seeds"]) == ("mix", policy, 2)
    assert list(found["wait"]) == ["mean", "p50", "p95", "max"]
    assert list(found["bound"]) == ["wait", "loads", "ratio"]
    assert set(found["per_model"]["emb"]) == {"loads", "served", "wait"}
    assert set(found["per_client"]["agent-1"]) == {"served", "wait", "engine_seconds"}


async def test_json_without_a_policy_is_about_swapd(swapd):
    done = await swapd("simulate", "--trace", "chat", "--seeds", "1", "--hours", "0.1", "--json")
    assert json.loads(done.stdout)["policy"] == "swapd"


async def test_one_policy_alone_gets_no_advice_but_swapd(swapd):
    done = await swapd("simulate", "--trace", "chat", "--seeds", "1", "--hours", "0.1", "--policy", "lru")
    assert [line.split()[0] for line in done.stdout.splitlines()[2:3]] == ["lru"]
    assert "advice" not in done.stdout
    done = await swapd("simulate", "--trace", "chat", "--seeds", "1", "--hours", "0.1", "--policy", "swapd")
    assert "advice: " in done.stdout


async def test_agents_and_their_think_time_can_be_set(swapd):
    words = ("simulate", "--trace", "agents", "--seeds", "1", "--hours", "0.5", "--json")
    few = json.loads((await swapd(*words, "--agents", "2")).stdout)
    slow = json.loads((await swapd(*words, "--agents", "2", "--think", "60")).stdout)
    none = json.loads((await swapd(*words, "--agents", "0")).stdout)
    assert set(few["per_client"]) == {"agent-1", "agent-2"}
    assert few["served"] > slow["served"] > none["served"] == 0


async def test_a_recording_is_played_as_it_came_and_what_is_assumed_is_said(recording, swapd):
    done = await swapd("simulate", "--trace", str(recording))
    assert done.exit_code == 0
    assert done.stderr.startswith(f"warning: {recording}: 1 line skipped: line 12: ")
    lines = done.stdout.splitlines()
    assert (
        lines[0] == f"{recording}: 9 requests, each when it was recorded, whatever the policy made of those before"
    )
    assert lines[1:4] == [
        "1 request left out: never served, so nobody knows how long they would take",
        "no --config: the models take turns, each with as many slots as were seen in use",
        "a load is taken to last 5 s where none was recorded: c",
    ]
    assert lines[6].split()[:4] == ["fifo", "9", "36", "9"]


async def test_a_recording_is_played_with_the_models_and_rules_of_a_config(recording, config, swapd):
    words = ("simulate", "--trace", str(recording), "--config", str(config), "--policy", "lru")
    told = json.loads((await swapd(*words, "--json")).stdout)
    assert (told["seeds"], told["served"]) == (1, 9)
    shown = (await swapd(*words)).stdout
    assert "with at most 2 models up at once" in shown
    assert "take turns" not in shown


async def test_a_recording_can_be_cut(recording, swapd):
    done = await swapd("simulate", "--trace", str(recording), "--hours", "0.01", "--json")
    assert json.loads(done.stdout)["served"] == 2


async def test_memory_is_told_from_the_config_the_files_or_not_at_all(recording, tmp_path, swapd):
    path = tmp_path / "memory.yaml"
    path.write_text(
        "budget: {ram: 10GiB}\nmodels:\n"
        '  a: {command: "true ${port}", needs: {ram: 6GiB}}\n'
        '  b: {command: "true ${port}", needs: {ram: 6GiB}}\n'
        '  c: {command: "true ${port}"}\n'
    )
    done = await swapd("simulate", "--trace", str(recording), "-c", str(path), "--policy", "lru")
    assert "memory not budgeted for c: only a run would tell; give their `needs`" in done.stdout.splitlines()
    assert "at most 2 models up at once" in done.stdout


async def test_without_a_budget_it_is_that_of_this_machine(recording, tmp_path, swapd, monkeypatch):
    meter = SimpleNamespace(total={"ram": 16 << 30})
    monkeypatch.setattr("swapd.cli.simulate.command.open_meter", lambda environ: meter)
    path = tmp_path / "memory.yaml"
    needs = "".join(f'  {name}: {{command: "true ${{port}}", needs: {{ram: 8GiB}}}}\n' for name in "abc")
    path.write_text(f"budget: {{reserve: 1GiB}}\nmodels:\n{needs}")
    done = await swapd("simulate", "--trace", str(recording), "-c", str(path), "--policy", "lru")
    assert "budget: ram 15.0 GiB" in done.stdout.splitlines()
    assert "at most 1 model up at once" in done.stdout


async def test_memory_that_was_learned_is_weighed_as_check_weighs_it(recording, tmp_path, swapd):
    path = tmp_path / "memory.yaml"
    path.write_text(
        f"state_dir: {tmp_path / 'state'}\nbudget: {{ram: 10GiB}}\nmodels:\n"
        + "".join(f'  {name}: {{command: "true ${{port}}"}}\n' for name in "abc")
    )
    words = ("simulate", str(recording), "-c", str(path), "--policy", "lru")
    assert "memory not budgeted for a, b, c" in (await swapd(*words)).stdout
    catalog = load(path, {}).catalog
    ledger = Ledger.open(tmp_path / "state", Warnings())
    key = Weighing(ledger, lambda: None).key(catalog.models["a"].launch)
    ran(ledger, 6 * GIB, 6 * GIB, key=key)
    ledger.save()
    shown = (await swapd(*words)).stdout
    assert "memory not budgeted" not in shown
    assert "at most 1 model up at once" in shown


async def test_what_failed_is_counted_by_model_and_reason_and_no_advice_is_given(recording, config, swapd):
    config.write_text(
        CONFIG.replace('  c: {command: "true ${port}"', '  c: {needs: {engines: 3}, command: "true ${port}"')
    )
    words = ("simulate", str(recording), "--config", str(config))
    lines = (await swapd(*words)).stdout.splitlines()
    failed = [line for line in lines if line.startswith("warning: ")]
    assert [line.split(":")[1].strip() for line in failed] == POLICIES
    assert failed[0] == (
        "warning: swapd: 3 requests for c failed: cannot load model 'c': it needs 3 of engines, the budget has 2; "
        "raise budget.engines or lower its needs"
    )
    assert failed[1] == "warning: fifo: 3 requests for c failed: cannot load model 'c'"
    assert lines[-1] == "no advice while requests fail: see to that first"
    assert not [line for line in lines if line.startswith("advice: ")]
    done = await swapd(*words, "--json")
    assert json.loads(done.stdout)["served"] == 6
    assert failed[0] in done.stderr.splitlines()


async def test_an_answer_that_is_cut_off_is_counted_too():
    catalog = Catalog({"a": Spec("a", Launch(("a",)), Terms(concurrency=2))})
    run = RunId("a", 1)

    class Cutting:
        def handle(self, event, now):
            match event:
                case Asked(ticket):
                    return [
                        Grant(ticket, run, Endpoint("127.0.0.1", 1), catalog.models["a"], 0.0, 0.0),
                        Revoke(ticket, run, Why(Cause.CLOSING)),
                    ]
            return []

        def deadline(self):
            return None

    stage = lab.recorded("t", Trace((Request(0.0, "a", 2.0),), {}, 2.0), catalog)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(lab.BRAINS, "cutting", Cutting)
        outcome, failures = play(stage, "cutting", lambda seed: None)
    assert outcome.failed == 1
    assert list(failures) == [f"1 request for a failed: {CUT}"]


async def test_the_trace_may_be_the_argument_and_only_one_is_played(recording, swapd):
    same = [
        (await swapd("simulate", *words, "--json")).stdout
        for words in ((str(recording),), ("--trace", str(recording)))
    ]
    assert same[0] == same[1] != ""
    done = await swapd("simulate", "chat", "--trace", str(recording))
    assert done.exit_code == 2
    assert "give FILE or --trace, not both" in done.stderr


async def test_column_heads_say_their_unit(swapd):
    done = await swapd("simulate", "notes", "--seeds", "1", "--hours", "0.1", "--policy", "lru")
    heads = [line for line in done.stdout.splitlines() if "WAIT" in line]
    assert len(heads) == 3
    assert all(re.search(r"WAIT s +P50 s +P95 s +MAX s", head) for head in heads)
    assert "LOAD s" in heads[0]
    assert "ENGINE s" in heads[2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "it holds no request"),
        (b'{"swapd_trace": 1}\n', "it holds no request"),
        (b"hello\n", "line 1 is not a header"),
        (b'{"swapd_trace": 99}\n', "it is of version 99"),
        (b"\xff\xfe\x00", "line 1 is not a header"),
    ],
)
async def test_a_trace_that_cannot_be_used_is_the_callers_turn(text, why, tmp_path, swapd):
    path = tmp_path / "broken"
    path.write_bytes(text)
    done = await swapd("simulate", "--trace", str(path))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"swapd: cannot read the trace '{path}': {why}")


async def test_a_trace_that_is_not_there_names_the_built_in_ones(tmp_path, swapd):
    done = await swapd("simulate", "--trace", "mixx")
    assert done.exit_code == 2
    assert done.stderr == (
        "swapd: cannot read the trace 'mixx': there is no such file; "
        "built-in are mix, agents, notes, chat, ingestion\n"
    )
    assert (await swapd("simulate", "--trace", str(tmp_path))).exit_code == 2
    assert (await swapd("simulate", "--trace", "a\0b")).exit_code == 2


async def test_a_trace_and_a_config_that_do_not_belong_together_are_told_so(recording, config, swapd):
    done = await swapd("simulate", "--trace", "mix", "--config", str(config))
    assert done.exit_code == 2
    assert f"cannot simulate 'mix' with {config}: the config has no model named coder30, emb, gen8" in done.stderr
    assert "leave --config away" in done.stderr
    config.write_text(CONFIG.replace("  b:", "  bb:"))
    done = await swapd("simulate", "--trace", str(recording), "--config", str(config))
    assert done.exit_code == 2
    assert "the config has no model named b; name them there" in done.stderr


async def test_a_config_with_problems_is_refused_with_their_places(recording, config, swapd):
    config.write_text("models: {a: {comand: x}}")
    done = await swapd("simulate", "--trace", str(recording), "--config", str(config))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "lab.yaml:1:14: models.a.comand: " in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--seeds", "0"),
        ("--hours", "0"),
        ("--think", "-1"),
        ("--agents", "-1"),
        ("--policy", "best"),
        ("--hours", "x"),
    ],
)
async def test_numbers_that_make_no_sense_are_usage_errors(words, swapd):
    assert (await swapd("simulate", "--trace", "mix", *words)).exit_code == 2
    assert (await swapd("simulate")).exit_code == 2


async def test_a_recording_has_no_agents_to_set(recording, swapd):
    done = await swapd("simulate", "--trace", str(recording), "--agents", "2")
    assert done.exit_code == 2
    assert "--think and --agents are for built-in ones" in done.stderr
