"""The YAML is edited while engines run and streams flow."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from tests.processes import fake, until

pytestmark = pytest.mark.e2e


def config(**models: str) -> str:
    body = "".join(f"  {name}: {{{keys}}}\n" for name, keys in models.items())
    return f"listen: 127.0.0.1:0\nbudget: {{engines: 3}}\nscheduling: {{linger: 0s}}\nmodels:\n{body}"


def engine(*flags: str, **keys: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in keys.items())
    return f'command: "{fake(*flags)}"{extra}'


async def streaming(client, name: str) -> asyncio.Task[str]:
    """A stream that has begun; its whole text when awaited."""
    begun = asyncio.Event()

    async def read() -> str:
        text = b""
        async with client.chat(name, stream=True) as answer:
            async for chunk in answer.content.iter_any():
                text += chunk
                begun.set()
        return text.decode()

    task = asyncio.ensure_future(read())
    await begun.wait()
    return task


def save_plain(path, text):
    path.write_text(text)


def save_by_rename(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def save_with_backup(path, text):
    path.rename(path.with_suffix(".yaml~"))
    path.write_text(text)


def save_in_pieces(path, text):
    with path.open("w") as file:
        for i in range(0, len(text), 40):
            file.write(text[i : i + 40])
            file.flush()


@pytest.mark.parametrize("save", [save_plain, save_by_rename, save_with_backup, save_in_pieces])
async def test_a_model_is_added_while_another_streams_and_nothing_of_it_is_disturbed(start, connect, save):
    slow = engine("--chunk-seconds", "0.01", "--words", "60")
    daemon = start(config(alpha=slow))
    client = await connect(daemon)
    stream = await streaming(client, "alpha")
    before = await client.model("alpha")
    save(daemon.config, config(alpha=slow, beta=engine()))

    async def known():
        return len((await client.status())["models"]) == 2

    await until(known)
    assert (await client.text("beta")).startswith(" beta")
    text = await stream
    assert text.rstrip().endswith("data: [DONE]")
    assert " 59" in text
    after = await client.model("alpha")
    assert (after["pid"], after["run"]) == (before["pid"], before["run"])


async def test_a_stream_flows_on_while_a_large_config_is_read(start, connect):
    """Larger than any: read on the loop it would hold all streams up for half a second."""
    alpha = engine("--chunk-seconds", "0.01", "--words", "3000")
    keys = "path: /none.gguf, metadata: {many: [" + "1, " * 60 + "1]}"
    large = config(alpha=alpha, **{f"model-{n}": keys for n in range(1000)})
    daemon = start(config(alpha=alpha))
    client = await connect(daemon)
    async with client.chat("alpha", stream=True) as answer:
        chunks = answer.content.iter_any()
        await anext(chunks)

        async def longest() -> float:
            reloading = asyncio.ensure_future(client.http.post("/admin/reload"))
            last, found = time.monotonic(), 0.0
            while not reloading.done():
                await anext(chunks)
                now = time.monotonic()
                last, found = now, max(found, now - last)
            (await reloading).release()
            return found

        gaps: list[float] = []
        while not gaps or (min(gaps) >= 0.25 and len(gaps) < 4):  # others may compute
            await asyncio.to_thread(daemon.config.write_text, f"{large}# {len(gaps)}\n")
            gaps.append(await longest())
    assert len((await client.status())["models"]) == 1001
    assert min(gaps) < 0.25


async def test_a_save_through_a_symlink_swap_is_seen(start, connect, tmp_path):
    for number, text in enumerate((config(alpha=engine()), config(alpha=engine(), beta=engine()))):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "swapd.yaml").write_text(text)
    (tmp_path / "data").symlink_to("v0")
    (tmp_path / "linked.yaml").symlink_to("data/swapd.yaml")
    client = await connect(start(tmp_path / "linked.yaml"))
    (tmp_path / "data.new").symlink_to("v1")
    (tmp_path / "data.new").rename(tmp_path / "data")

    async def known():
        return len((await client.status())["models"]) == 2

    await until(known)


async def test_a_broken_edit_changes_nothing_and_shows_in_status(start, connect):
    daemon = start(config(alpha=engine()))
    client = await connect(daemon)
    await client.text("alpha")
    before = await client.model("alpha")
    daemon.config.write_text(config(alpha=engine(tttl="5m")))
    problems = await until(lambda: problems_of(client))
    assert problems[0]["line"] == 5
    assert "ttl" in problems[0]["message"]
    assert (await client.text("alpha")).startswith(" alpha")
    assert (await client.model("alpha"))["pid"] == before["pid"]
    daemon.config.write_text(config(alpha=engine()))
    await until(lambda: no_problems(client))


async def problems_of(client):
    return (await client.status())["problems"]


async def no_problems(client):
    return not (await client.status())["problems"]


@pytest.mark.parametrize("how", ["SIGHUP", "POST"])
async def test_a_reload_can_be_asked_for(start, connect, how):
    daemon = start(config(alpha=engine()))
    client = await connect(daemon)
    await client.text("alpha")
    pid = (await client.model("alpha"))["pid"]
    daemon.config.write_text(config(alpha=engine(ttl="1h")))
    if how == "SIGHUP":
        daemon.process.send_signal(signal.SIGHUP)
    else:
        async with client.http.post("/admin/reload") as answer:
            assert answer.status == 200
    await asyncio.to_thread(daemon.wait_line, "config reloaded")
    assert (await client.model("alpha"))["pid"] == pid


async def test_reload_with_problems_is_a_422_with_all_of_them(start, connect):
    daemon = start(config(alpha=engine()))
    client = await connect(daemon)
    daemon.config.write_text("listen: 127.0.0.1:0\nmodels: {a: {comand: x, ttl: soon}}\n")
    async with client.http.post("/admin/reload") as answer:
        assert answer.status == 422
        problems = (await answer.json())["problems"]
    assert len(problems) >= 2


async def test_a_relaunched_model_finishes_its_stream_and_then_runs_anew(start, connect):
    daemon = start(config(alpha=engine("--chunk-seconds", "0.02", "--words", "40")))
    client = await connect(daemon)
    stream = await streaming(client, "alpha")
    daemon.config.write_text(config(alpha=engine("--words", "5")))
    await until(lambda: client.is_in("alpha", "draining"))
    late = asyncio.ensure_future(client.text("alpha"))
    assert (await stream).rstrip().endswith("data: [DONE]")
    assert await late == " alpha 1 2 3 4"
    assert (await client.model("alpha"))["run"] == 2


async def test_a_removed_model_is_stopped_and_its_waiters_are_told(start, connect):
    slow = engine("--load-seconds", "30")
    daemon = start(config(alpha=slow, beta=engine()))
    client = await connect(daemon)
    asking = asyncio.ensure_future(client.chat("alpha"))
    await until(lambda: client.is_in("alpha", "starting"))
    daemon.config.write_text(config(beta=engine()))
    answer = await asking
    assert answer.status == 503
    assert (await answer.json())["error"]["code"] == "model_removed"
    answer = await client.chat("alpha")
    assert answer.status == 404


async def test_a_new_listen_address_needs_a_restart_and_is_not_half_done(start, connect):
    daemon = start(config(alpha=engine()))
    client = await connect(daemon)
    daemon.config.write_text(config(alpha=engine()).replace("127.0.0.1:0", "127.0.0.1:1"))
    async with client.http.post("/admin/reload") as answer:
        assert (await answer.json())["needs_restart"] == ["listen"]
