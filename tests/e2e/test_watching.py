"""What an operator sees of a swap, while it happens and afterwards."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.test_upgrading import executed
from tests.processes import fake, until

pytestmark = pytest.mark.e2e
TWO = """
listen: 127.0.0.1:0
budget: {{engines: 1}}
scheduling: {{patience: 300ms, linger: 0s}}
models:
  alpha: {{command: "{command}"}}
  beta: {{command: "{command}"}}
"""


async def events(answer: Any) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The live stream, without its comments."""
    while text := (await answer.content.readuntil(b"\n\n")).decode():
        if not text.startswith(":"):
            kind, data = (line.partition(": ")[2] for line in text.splitlines() if line)
            yield kind, json.loads(data)


async def test_a_swap_is_seen_live_and_written_down_and_the_stream_says_goodbye(start, connect):
    daemon = start(TWO.format(command=fake("--load-seconds", "0.2")))
    client = await connect(daemon)
    states: dict[str, list[str]] = {"alpha": [], "beta": []}
    told, rows, last = [], [], {}
    async with asyncio.timeout(30), client.http.get("/admin/live") as answer:
        stream = events(answer)
        kind, hello = await anext(stream)
        assert kind == "hello"
        assert [model["state"] for model in hello["status"]["models"]] == ["cold", "cold"]
        asking = asyncio.ensure_future(one_after_the_other(client, "alpha", "beta"))
        async for kind, data in stream:
            for model in data["models"] if kind == "change" else ():
                states[model["name"]].append(model["state"])
                last[model["name"]] = model
            told += [data] if kind == "told" else []
            rows += data["requests"] if kind == "answered" else []
            if len(rows) == 2 and all(last[name]["requests"] for name in states):
                break
        await asking
        history = await (await client.http.get("/admin/history?hours=1")).json()
        check_live(states, told, rows, last)
        check_history(history)
        daemon.process.send_signal(signal.SIGTERM)
        kinds = [kind async for kind, _ in until_it_ends(stream)]
    assert kinds[-1] == "bye"


def check_live(states, told, rows, last):
    assert (states["alpha"][-1], states["beta"][-1]) == ("cold", "ready")
    (swap,) = [news for news in told if news["type"] == "swap"]
    assert (swap["model"], swap["evicted"], swap["level"]) == ("beta", ["alpha#1"], "info")
    assert last["alpha"]["last_swap"]["text"] == last["beta"]["last_swap"]["text"] == swap["text"]
    assert [(row["model"], row["status"], row["run"]) for row in rows] == [("alpha", 200, 1), ("beta", 200, 1)]
    assert rows[1]["queued"] >= rows[1]["loaded"] >= 0.2
    assert last["beta"]["tokens"]["completion"] == rows[1]["completion"]


def check_history(history):
    for name, ending in (("alpha", False), ("beta", True)):
        spans = history["models"][name]
        assert [span["state"] for span in spans][:2] == ["starting", "ready"]
        assert (spans[-1]["until"] is None) is ending
        assert {span["run"] for span in spans} == {1}
    assert history["models"]["alpha"][-1]["why"] == "makes room for beta"
    (swap,) = history["swaps"]
    assert (swap["model"], swap["evicted"]) == ("beta", ["alpha#1"])
    assert {"drain", "stop", "load", "total"} <= set(swap["seconds"])
    assert swap["waited"]["requests"] == 1
    assert [(wait["model"], wait["requests"]) for wait in history["waits"]] == [("alpha", 1), ("beta", 1)]
    assert all(wait["longest"] >= 0.2 and wait["until"] for wait in history["waits"])
    assert [row["model"] for row in history["requests"]] == ["alpha", "beta"]


async def one_after_the_other(client, *names):
    for name in names:
        await client.text(name)


async def until_it_ends(stream):
    try:
        async for found in stream:
            yield found
    except asyncio.IncompleteReadError:
        return


async def past_of(client) -> dict[str, Any]:
    return await (await client.http.get("/admin/history?hours=1")).json()


async def test_the_next_daemon_tells_what_happened_under_the_last_one(start, connect, tmp_path):
    config = TWO.format(command=fake())
    daemon = start(config)
    await one_after_the_other(await connect(daemon), "alpha", "beta")
    assert await asyncio.to_thread(daemon.stop) == 0
    assert (tmp_path / "state" / "history.json").stat().st_mode & 0o777 == 0o600
    client = await connect(start(config))
    before = await past_of(client)
    assert [row["model"] for row in before["requests"]] == ["alpha", "beta"]
    assert [(swap["model"], swap["evicted"]) for swap in before["swaps"]] == [("beta", ["alpha#1"])]
    assert all(span["until"] for spans in before["models"].values() for span in spans)
    assert [(span["state"], span["why"]) for span in before["models"]["beta"]][-1] == ("stopping", "shutdown")
    await client.text("beta")
    assert [row["model"] for row in (await past_of(client))["requests"]] == ["alpha", "beta", "beta"]


async def test_an_upgrade_forgets_nothing(start_fresh, connect):
    daemon = start_fresh(TWO.format(command=fake()))
    client = await connect(daemon)
    await one_after_the_other(client, "alpha", "beta")
    daemon.process.send_signal(signal.SIGUSR2)
    await until(lambda: executed(client), 30)
    await client.text("beta")
    told = await past_of(client)
    assert [row["model"] for row in told["requests"]] == ["alpha", "beta", "beta"]
    assert [swap["model"] for swap in told["swaps"]] == ["beta"]
    assert told["models"]["beta"][-1]["until"] is None, "it was not stopped"
