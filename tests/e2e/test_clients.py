"""A daemon whose config names its clients: true keys, a key file that is edited, and the openai client."""

from __future__ import annotations

import openai
import pytest

from tests.processes import fake, until

pytestmark = pytest.mark.e2e
GO = [{"role": "user", "content": "go"}]


async def test_clients_come_with_keys_each_to_its_models_and_no_faster_than_it_may(start, tmp_path):
    file = tmp_path / "laptop.key"
    file.write_text("sk-first-of-laptop\n")
    file.chmod(0o600)
    daemon = start(f"""
listen: 127.0.0.1:0
clients:
  laptop: {{key_file: "{file}", models: [alpha]}}
  script: {{key: sk-of-the-script, rate: 1/h}}
models:
  alpha: {{command: "{fake()}"}}
  beta: {{command: "{fake()}"}}
""")

    async def ask(key: str, model: str = "alpha"):
        at = daemon.url + "/v1"
        async with openai.AsyncOpenAI(base_url=at, api_key=key, max_retries=0, timeout=20) as client:
            return await client.chat.completions.create(model=model, messages=GO)

    assert (await ask("sk-first-of-laptop")).choices
    with pytest.raises(openai.AuthenticationError, match="no or wrong key"):
        await ask("sk-anything")
    with pytest.raises(openai.PermissionDeniedError, match="client 'laptop' has no right to it"):
        await ask("sk-first-of-laptop", "beta")
    assert (await ask("sk-of-the-script", "beta")).choices
    with pytest.raises(openai.RateLimitError, match="client 'script' has had 1 request"):
        await ask("sk-of-the-script", "beta")

    file.write_text("sk-second-of-laptop\n")

    async def opens():
        try:
            return (await ask("sk-second-of-laptop")).choices
        except openai.AuthenticationError:
            return None

    assert await until(opens)
    with pytest.raises(openai.AuthenticationError):
        await ask("sk-first-of-laptop")
