"""A daemon whose config names its clients: true keys, a key file that is edited, and the openai client."""

from __future__ import annotations

import openai
import pytest

from tests.processes import fake, until

pytestmark = pytest.mark.e2e
GO = [{"role": "user", "content": "go"}]


async def test_clients_come_with_keys_each_to_its_models_and_no_faster_than_it_may(start, connect, tmp_path):
    file = tmp_path / "laptop.key"
    file.write_text("sk-first-of-laptop\n")
    file.chmod(0o600)
    daemon = start(f"""
listen: 127.0.0.1:0
budget: {{engines: 2}}
clients:
  laptop: {{key_file: "{file}", models: [alpha]}}
  script: {{key: sk-of-the-script, rate: 1/h}}
models:
  alpha: {{command: "{fake()}"}}
  beta: {{command: "{fake()}"}}
""")

    http = (await connect(daemon)).http

    async def ask(key: str, model: str = "alpha"):
        headers = {"Authorization": f"Bearer {key}"}
        async with http.post(
            "/v1/chat/completions", json={"model": model, "messages": GO}, headers=headers
        ) as answer:
            return answer.status

    assert await ask("sk-first-of-laptop") == 200
    assert await ask("sk-anything") == 401
    assert await ask("sk-first-of-laptop", "beta") == 403
    at = daemon.url + "/v1"
    async with openai.AsyncOpenAI(base_url=at, api_key="sk-of-the-script", max_retries=0, timeout=20) as client:
        assert (await client.chat.completions.create(model="beta", messages=GO)).choices
        with pytest.raises(openai.RateLimitError, match="client 'script' has had 1 request"):
            await client.chat.completions.create(model="beta", messages=GO)

    file.write_text("sk-second-of-laptop\n")

    async def opens():
        return await ask("sk-second-of-laptop") == 200

    assert await until(opens)
    assert await ask("sk-first-of-laptop") == 401
