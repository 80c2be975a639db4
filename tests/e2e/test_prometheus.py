"""A true Prometheus scrapes a true daemon, keeps what it says, and answers for it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Any

import aiohttp
import pytest
import yaml

from tests.metrics.test_configs import CONFIGS, queries, rules
from tests.processes import Running, fake, until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus (Debian: prometheus)"),
]


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Callable[[Running, str], str]]:
    """``prometheus(daemon, key)``: the base URL of one that scrapes the daemon, by the example of ``configs/``."""
    begun: list[Popen[bytes]] = []

    def start(daemon: Running, key: str) -> str:
        config = yaml.safe_load((CONFIGS / "prometheus" / "prometheus.yml").read_text())
        (tmp_path / "swapd.key").write_text(key)
        config["global"]["scrape_interval"] = config["global"]["evaluation_interval"] = "200ms"
        config["rule_files"] = [str(CONFIGS / "prometheus" / "alerts.yaml")]
        (job,) = config["scrape_configs"]
        job["static_configs"] = [{"targets": [daemon.url.removeprefix("http://")]}]
        job["authorization"] = {"credentials_file": str(tmp_path / "swapd.key")}
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        flags = {
            "config.file": tmp_path / "prometheus.yml",
            "storage.tsdb.path": tmp_path / "tsdb",
            "web.listen-address": address,
        }
        words = ["prometheus", *(f"--{flag}={value}" for flag, value in flags.items())]
        begun.append(Popen(words, stdout=DEVNULL, stderr=DEVNULL))
        return f"http://{address}"

    yield start
    for process in begun:
        process.terminate()
        try:
            process.wait(5)
        except TimeoutExpired:
            process.kill()
            process.wait()


async def asked(http: aiohttp.ClientSession, query: str) -> list[Any] | None:
    """The answer to an instant query; None while nobody answers."""
    try:
        async with http.get("/api/v1/query", params={"query": query}) as answer:
            found = await answer.json()
    except aiohttp.ClientError:
        return None
    assert found["status"] == "success", (query, found)
    return found["data"]["result"]


async def test_prometheus_answers_with_what_happened(start, connect, prometheus):
    command = fake("--metrics")
    daemon = start(
        f"""
listen: 127.0.0.1:0
admin: {{key: sesame}}
insecure: true
budget: {{engines: 1}}
scheduling: {{patience: 300ms, linger: 0s}}
models:
  alpha: {{command: "{command}", concurrency: 2}}
  'be"ta<script>': {{command: "{fake("--metrics", "--alias", "beta")}", concurrency: 2, aliases: [beta]}}
"""
    )
    client = await connect(daemon)
    for name in ("alpha", "alpha", "alpha", "beta", "beta"):
        await client.text(name)
    (await client.chat("nobody")).close()
    async with aiohttp.ClientSession(prometheus(daemon, "sesame")) as http:

        async def number(query: str) -> float | None:
            found = await asked(http, query)
            return float(found[0]["value"][1]) if found else None

        async def counted() -> bool:
            return await number('sum(swapd_requests_total{code="200"})') == 5

        await until(counted, 20.0)  # it takes its targets up 5 s after its start
        beta = r'{model="be\"ta<script>"}'
        assert await number(f"sum(swapd_requests_total{beta})") == 2
        assert await number('sum(swapd_requests_total{code="404"})') == 1
        assert await number(f"swapd_swaps_total{beta}") == 1
        assert await number('swapd_tokens_total{model="alpha", direction="out"}') == 24
        assert await number('swapd_engine_state{model="alpha", state="cold"}') == 1

        async def passed_on() -> bool:
            return await number(f"llamacpp:prompt_tokens_total{beta}") == 17

        await until(passed_on)  # not in each scrape, if the engine is slow to tell
        assert await number('up{job="swapd"}') == 1
        for part in ("drain", "stop", "freed", "spawn", "load", "first_byte"):
            assert await number(f'swapd_swap_part_duration_seconds_count{{part="{part}"}}') == 1
        for query in queries():
            usual = query.replace("$instance", ".*").replace("$model", ".*")
            await asked(http, usual.replace("$__rate_interval", "1m").replace("$__range", "1h"))

        async def evaluated() -> list[dict[str, Any]] | None:
            async with http.get("/api/v1/rules") as answer:
                (group,) = (await answer.json())["data"]["groups"]
            return group["rules"] if all(rule["health"] != "unknown" for rule in group["rules"]) else None

        assert {rule["name"]: rule["health"] for rule in await until(evaluated)} == {
            rule["alert"]: "ok" for rule in rules()
        }
