"""The machine's own memory as the budget, and what a reload makes of it."""

from __future__ import annotations

import psutil
import pytest

from tests.processes import fake, until

pytestmark = pytest.mark.e2e
GIB = 1 << 30


def config(budget: str) -> str:
    models = "".join(f'  {name}: {{command: "{fake()}"}}\n' for name in ("alpha", "beta"))
    return f"listen: 127.0.0.1:0\n{budget}\nmodels:\n{models}"


async def test_without_a_budget_the_machine_is_the_budget_and_a_reload_keeps_to_it(start, connect):
    daemon = start(config(""))
    client = await connect(daemon)
    total = (await client.status())["budget"]["ram"]["total"]
    assert GIB < total < psutil.virtual_memory().total
    daemon.config.write_text(config("budget: {reserve: 2GiB}"))
    async with client.http.post("/admin/reload") as answer:
        assert (await answer.json())["settings"] == ["budget"]
    assert (await client.status())["budget"]["ram"]["total"] != total
    async with client.http.post("/admin/reload") as answer:
        assert (await answer.json())["settings"] == []
    daemon.config.write_text(config("budget: {engines: 1}"))
    async with client.http.post("/admin/reload") as answer:
        assert (await answer.json())["settings"] == ["budget"]
    assert set((await client.status())["budget"]) == {"engines"}


async def test_models_of_which_nothing_is_known_learn_to_live_together(start, connect, tmp_path):
    daemon = start(config("scheduling: {linger: 0s}"))
    client = await connect(daemon)

    async def learned(name):
        return (await client.model(name))["need_source"] == "learned"

    for name in ("alpha", "beta"):
        assert (await client.text(name)).startswith(f" {name}")
        await until(lambda name=name: learned(name))
    assert (await client.text("alpha")).startswith(" alpha")
    assert await client.is_in("beta", "ready")
    assert daemon.stop() == 0
    assert (tmp_path / "state" / "ledger.json").exists()
