"""The machine's own memory as the budget, and what a reload makes of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

import psutil
import pytest

from swapd.config import load
from swapd.daemon import Daemon
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
    assert (await client.http.post("/admin/reload")).ok  # or the watcher was faster
    assert (await client.status())["budget"]["ram"]["total"] != total
    async with client.http.post("/admin/reload") as answer:
        assert (await answer.json())["settings"] == []
    daemon.config.write_text(config("budget: {engines: 1}"))
    assert (await client.http.post("/admin/reload")).ok
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


async def test_a_driver_that_hangs_at_start_leaves_the_budget_of_ram_and_an_end(tmp_path, monkeypatch, caplog):
    gate = threading.Event()
    monkeypatch.setattr("swapd.machine.meter.open_nvidia", lambda _: gate.wait(20))
    monkeypatch.setattr("swapd.metering.METERS", 0.05)
    path = tmp_path / "swapd.yaml"
    path.write_text(config(f"state_dir: {tmp_path}/state"))
    daemon = Daemon(path, os.environ, load(path, os.environ))
    running = asyncio.ensure_future(daemon.run())
    await daemon.listening()
    assert daemon.rooms.config.catalog.budget["ram"] > GIB
    assert "going on with RAM alone" in caplog.text
    daemon.stop()
    async with asyncio.timeout(15):  # less than the driver hangs
        assert await running == 0
    gate.set()


HANGING = """
import sys, threading
import swapd.metering, swapd.machine.meter, swapd.machine.weighing
from swapd.cli import main
never = threading.Event()
swapd.metering.METERS = 0.1
swapd.machine.meter.open_nvidia = lambda environ: never.wait()
swapd.machine.weighing.Weighing.weigh = lambda *_: never.wait()
main(["serve", "-c", sys.argv[1]])
"""


def test_a_daemon_whose_driver_and_disk_hang_ends_when_told(tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text(config(f"state_dir: {tmp_path}/state"))
    command = [sys.executable, "-c", HANGING, str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        try:
            assert any("is listening on" in line for line in iter(daemon.stderr.readline, ""))
            daemon.terminate()
            assert daemon.wait(10) == 0
        finally:
            daemon.kill()
