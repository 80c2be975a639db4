"""What llama-swap was configured with serves on a true engine, with not a word changed by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from swapd.cli import main
from tests.real.conftest import engine_file

pytestmark = pytest.mark.real


async def test_an_imported_llama_swap_file_serves_a_chat(start, ask, one_engine, tiny_models, tmp_path):
    binary = engine_file(tmp_path, one_engine).rename(tmp_path / "llama-server")
    theirs, ours = tmp_path / "config.yaml", tmp_path / "swapd.yaml"
    theirs.write_text(f"""
healthCheckTimeout: 60
macros:
  gguf: {tiny_models}
  server: >
    {binary} --host 127.0.0.1 --port ${{PORT}} -t 1
models:
  alpha:
    cmd: |
      ${{server}}
      -m ${{gguf}}/alpha.gguf -c 2048
    env: [PYTHONPATH={Path.cwd()}]
    aliases: [gpt-4o]
    filters: {{setParamsByID: {{"alpha:brief": {{max_tokens: 2}}}}}}
  beta:
    cmd: nice -n 1 ${{server}} -m ${{gguf}}/beta.gguf -c 2048 -np 1
    env: [PYTHONPATH={Path.cwd()}]
groups: {{both: {{members: [alpha, beta]}}}}
""")
    done = CliRunner(env=dict(os.environ)).invoke(main, ["import", str(theirs), "--write", str(ours)])
    assert (done.exit_code, done.stdout) == (0, "")
    ours.write_text(ours.read_text() + "listen: 127.0.0.1:0\n")
    client = ask(start(ours))
    for name, voice, words in (("alpha", "alpha", 5), ("alpha:brief", "alpha", 2), ("beta", "beta", 5)):
        messages = [{"role": "user", "content": "go"}]
        answer = await client.chat.completions.create(
            model=name, messages=messages, **({} if ":" in name else {"max_tokens": 5})
        )
        assert (answer.choices[0].message.content.split()[0], answer.usage.completion_tokens) == (voice, words)
