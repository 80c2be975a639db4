"""Requests come in, engines come and go."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.processes import fake, until

pytestmark = pytest.mark.e2e


def two(*flags: str, budget: str = "{engines: 1}", extra: str = "") -> str:
    command = fake(*flags)
    return f"""
listen: 127.0.0.1:0
budget: {budget}
scheduling: {{patience: 300ms, linger: 0s}}
{extra}
models:
  alpha: {{command: "{command}", concurrency: 2}}
  beta: {{command: "{command}", concurrency: 2}}
"""


async def test_each_model_answers_with_its_own_voice_and_they_never_overlap(start, connect, tmp_path):
    client = await connect(start(two("--lock", str(tmp_path / "lock"))))
    for name in ("alpha", "beta", "alpha"):
        assert (await client.text(name)).startswith(f" {name} 1 2")
    assert (await client.model("alpha"))["run"] == 2
    assert (await client.model("beta"))["state"] == "cold"


async def test_many_callers_of_a_cold_model_start_one_engine(start, connect):
    client = await connect(start(two("--load-seconds", "0.3")))
    texts = await asyncio.gather(*(client.text("alpha") for _ in range(20)))
    assert all(text.startswith(" alpha") for text in texts)
    assert (await client.model("alpha"))["run"] == 1


async def test_two_models_asked_in_turn_are_both_served(start, connect, tmp_path):
    client = await connect(start(two("--lock", str(tmp_path / "lock"))))
    names = ["alpha", "beta"] * 10
    texts = await asyncio.gather(*(client.text(name) for name in names))
    assert [text.split()[0] for text in texts] == names
    runs = [(await client.model(name))["run"] or 1 for name in ("alpha", "beta")]
    assert sum(runs) <= 6  # collated, not one swap a request


async def test_what_fits_stays(start, connect):
    client = await connect(start(two(budget="{engines: 2}")))
    await client.text("alpha")
    await client.text("beta")
    assert (await client.model("alpha"))["state"] == "ready"
    assert (await client.model("beta"))["state"] == "ready"


async def test_a_busy_engine_serves_its_stream_to_the_end_before_it_goes(start, connect):
    client = await connect(start(two("--chunk-seconds", "0.02", "--words", "30")))
    async with client.chat("alpha", stream=True) as answer:
        await answer.content.readany()
        other = asyncio.ensure_future(client.text("beta"))
        text = (await answer.content.read()).decode()
    assert text.rstrip().endswith("data: [DONE]")
    assert (await other).startswith(" beta")


async def test_a_steady_stream_of_requests_to_one_model_does_not_starve_the_other(start, connect):
    client = await connect(start(two()))
    stop = asyncio.Event()
    served = 0

    async def steady():
        nonlocal served
        while not stop.is_set():
            await client.text("alpha", words=3)
            served += 1

    streams = [asyncio.ensure_future(steady()) for _ in range(4)]
    await until(lambda: served > 10)
    begun = time.monotonic()
    await client.text("beta", words=3)
    waited = time.monotonic() - begun
    stop.set()
    await asyncio.gather(*streams)
    assert waited < 5


async def test_ttl_stops_an_idle_engine_and_pinned_ones_stay(start, connect):
    command = fake()
    client = await connect(
        start(f"""
listen: 127.0.0.1:0
budget: {{engines: 2}}
models:
  alpha: {{command: "{command}", ttl: 200ms}}
  beta: {{command: "{command}", pinned: true, ttl: 200ms}}
""")
    )
    await client.text("alpha")
    await until(lambda: client.is_in("alpha", "cold"))
    assert await client.is_in("beta", "ready")


async def test_ready_says_503_until_the_preloaded_model_is_up(start, connect):
    command = fake("--load-seconds", "0.5")
    client = await connect(
        start(f'listen: 127.0.0.1:0\nmodels: {{alpha: {{command: "{command}", preload: true}}}}\n')
    )
    async with client.http.get("/ready") as answer:
        assert (answer.status, (await answer.json())["missing"]) == (503, ["alpha"])

    async def is_ready():
        async with client.http.get("/ready") as answer:
            return answer.status == 200

    await until(is_ready)
    assert await client.is_in("alpha", "ready")


async def test_a_client_that_leaves_a_stream_frees_its_place_within_a_second(start, connect, tmp_path):
    journal = tmp_path / "journal"
    client = await connect(start(two("--chunk-seconds", "0.05", "--words", "1000", "--journal", str(journal))))

    async def free():
        return (await client.model("alpha"))["leases"] == 0

    def seen_by_the_engine():
        return journal.read_text().count('"client_left"')

    async def leaves() -> float:
        answer = await client.chat("alpha", stream=True)
        await answer.content.readany()
        before = seen_by_the_engine()
        answer.close()
        left = time.monotonic()
        await until(free)
        await until(lambda: seen_by_the_engine() > before)
        return time.monotonic() - left

    took = [await leaves()]
    while min(took) >= 1.0 and len(took) < 3:  # others may compute
        took.append(await leaves())
    assert min(took) < 1.0, took


async def test_a_client_that_leaves_a_plain_request_frees_its_place_once_the_slot_is_idle(
    start, connect, tmp_path
):
    journal = tmp_path / "journal"
    client = await connect(start(two("--slow-nonstream", "2.5", "--journal", str(journal))))
    asking = asyncio.ensure_future(client.text("alpha"))

    async def leases(n):
        return (await client.model("alpha"))["leases"] == n

    await until(lambda: journal.exists() and '"request"' in journal.read_text())
    begun = time.monotonic()
    asking.cancel()
    await asyncio.sleep(0.5)
    assert await leases(1), "the slot still computes for a client that is gone"
    await until(lambda: leases(0), 15)
    assert time.monotonic() - begun > 0.6


async def test_a_client_that_leaves_while_its_model_loads_leaves_no_ticket(start, connect):
    client = await connect(start(two("--load-seconds", "1.5")))
    asking = asyncio.ensure_future(client.text("alpha"))
    await until(lambda: client.is_in("alpha", "starting"))
    asking.cancel()

    async def nobody_waits():
        return (await client.model("alpha"))["waiting"] == 0

    await until(nobody_waits)
    assert await client.is_in("alpha", "starting"), "not because it was served"
    assert (await client.text("beta")).startswith(" beta")
    assert (await client.model("alpha"))["state"] == "cold"


async def test_embeddings_rerank_and_any_upstream_path_pass_through(start, connect):
    client = await connect(start(two()))
    async with client.http.post("/v1/embeddings", json={"model": "alpha", "input": ["x"]}) as answer:
        assert (await answer.json())["data"][0]["embedding"]
    body = {"model": "alpha", "query": "x", "documents": ["x", "y"]}
    async with client.http.post("/v1/rerank", json=body) as answer:
        assert len((await answer.json())["results"]) == 2
    async with client.http.get("/upstream/alpha/props") as answer:
        assert answer.status == 200
    async with client.http.get("/upstream/alpha/no/such") as answer:
        assert (await answer.json())["error"]["message"] == "File Not Found"
