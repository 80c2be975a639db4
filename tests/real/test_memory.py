"""Memory as true engines take it: what fits stays, what was learned is remembered."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from swapd.cli.console import stdout
from swapd.cli.demo.model import PACKAGE, assemble
from tests.processes import Client, Running, until

pytestmark = pytest.mark.real
MIB = 1 << 20


@pytest.fixture
def serve(start, engine_binaries, tiny_models, tmp_path) -> Callable[..., Running]:
    """``serve(budget, needs=..., context=...)``: a daemon over three tiny models with large caches."""
    binary = tmp_path / "engine"
    binary.write_text(f'#!/bin/sh\nexec {shlex.join(engine_binaries)} "$@"\n')
    binary.chmod(0o755)

    def running(budget: str, *, context: int = 65536, alpha: str = "", more: str = "") -> Running:
        return start(f"""
listen: 127.0.0.1:0
state_dir: {tmp_path}/state
budget: {{ram: {budget}}}
scheduling: {{linger: 0s, patience: 1s}}
defaults: {{binary: "{binary}", threads: 1, context: {context}, env: {{PYTHONPATH: "{Path.cwd()}"}}}}
models:
  alpha: {{path: "{tiny_models}/alpha.gguf"{alpha}}}
  beta: {{path: "{tiny_models}/beta.gguf"}}
  gamma: {{path: "{tiny_models}/gamma.gguf"}}
{more}""")

    return running


def entries(folder: Path) -> dict[str, dict]:
    """The ledger by model; the last entry of each."""
    told = json.loads((folder / "state" / "ledger.json").read_text())["entries"]
    return {entry["model"]: entry for entry in told.values()}


async def learned(client: Client, name: str) -> dict:
    """The model's status, once what it takes was measured."""

    async def found():
        model = await client.model(name)
        return model if model["need_source"] == "learned" else None

    return await until(found)


async def ready(client: Client) -> list[str]:
    return [model["name"] for model in (await client.status())["models"] if model["state"] == "ready"]


async def weighed(client: Client, name: str) -> dict | None:
    model = await client.model(name)
    return model if model["needs"] else None


async def test_two_fit_and_the_third_evicts_exactly_one_in_a_life_that_knows_them(serve, connect, tmp_path):
    first = serve("4GiB")
    client = await connect(first)
    before = await until(lambda: weighed(client, "alpha"))
    assert before["need_source"] == "header"
    took = []
    for name in ("alpha", "beta", "gamma"):
        assert await client.text(name, max_tokens=4)
        took.append((await learned(client, name))["needs"]["ram"])
    assert 100 * MIB < max(took) < before["needs"]["ram"]
    assert await ready(client) == ["alpha", "beta", "gamma"], "all of it fits"
    assert first.wait_line("gamma#1 took")
    assert await asyncio.to_thread(first.stop) == 0

    second = serve(f"{sum(took) * 5 // 6 // MIB}MiB")
    client = await connect(second)
    known = await learned(client, "alpha")
    assert known["state"] == "cold"
    assert known["load_seconds"] > 0
    for name in ("alpha", "beta", "gamma"):
        assert await client.text(name, max_tokens=4)
    up = await ready(client)
    assert len(up) == 2
    assert await client.text(up[0], max_tokens=4)
    assert len([line for line in second.lines if "makes room" in line]) == 1, "one went for the third"
    assert len([line for line in second.lines if " is ready at " in line]) == 3, "and what fits stayed"
    assert await asyncio.to_thread(second.stop) == 0
    for entry in entries(tmp_path).values():
        last = entry["recent"][-1]
        seen = max(last["peak"]["ram"], last["steady"].get("ram", 0))
        assert entry["loads"]["count"] == 2
        assert abs(entry["predicted"]["ram"] - seen) <= 0.05 * seen


@pytest.mark.parametrize("engine_binaries", ["xllamacpp"], indirect=True)
async def test_a_changed_flag_is_another_launch(serve, connect):
    first = serve("4GiB")
    client = await connect(first)
    assert await client.text("alpha", max_tokens=4)
    await learned(client, "alpha")
    assert await asyncio.to_thread(first.stop) == 0
    client = await connect(serve("4GiB", context=32768))
    assert (await until(lambda: weighed(client, "alpha")))["need_source"] == "header"


@pytest.mark.parametrize("engine_binaries", ["xllamacpp"], indirect=True)
async def test_needs_beyond_the_budget_are_refused_with_the_arithmetic(serve, connect):
    client = await connect(serve("600MiB", alpha=", needs: {ram: 2GiB}"))
    async with client.chat("alpha") as answer:
        error = (await answer.json())["error"]
    assert error["code"] == "insufficient_memory"
    assert "needs 2048 MiB of ram, the budget has 600 MiB" in error["message"]


@pytest.mark.parametrize("engine_binaries", ["llama-server"], indirect=True)
async def test_a_true_model_takes_what_its_header_says_within_the_margin(
    serve, connect, engine_binaries, tmp_path
):
    if find_spec(PACKAGE) is None:
        pytest.skip("the demo's gemma is not installed: it comes with the extra 'demo'")
    model = assemble(tmp_path, stdout())
    gemma = f'  gemma: {{path: "{model}", context: 2048}}\n'
    client = await connect(serve("2GiB", more=gemma))
    estimate = (await until(lambda: weighed(client, "gemma")))["needs"]["ram"]
    assert await client.text("gemma", max_tokens=4) is not None
    took = (await learned(client, "gemma"))["needs"]["ram"]
    assert model.stat().st_size < took <= estimate
