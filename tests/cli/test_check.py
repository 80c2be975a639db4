"""``swapd check``, ``serve`` and ``version``: what needs no daemon; and how little ``--help`` needs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from swapd import __version__
from swapd.cli import ALSO, VERBS, main
from swapd.cli.tiny_model import write_chat
from swapd.engines.resolve import threads

ROOT = Path(__file__).parent.parent.parent
GOOD = """
budget: {engines: 2}
defaults: {ttl: 30m}
models:
  qwen:
    binary: BIN
    path: model.gguf
    threads: auto
    args: [--grammar, "it's a test"]
    aliases: [gpt-4o, fast]
  raw: {command: "BIN --publish 127.0.0.1:${port}:80 --port ${port}", pinned: true}
"""
BAD = """
modles: {}
models:
  a: {path: x.gguf, ttl: soon}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good config with nothing to warn of."""
    write_chat(tmp_path / "model.gguf", "x")
    path = tmp_path / "swapd.yaml"
    path.write_text(GOOD.replace("BIN", sys.executable).replace("model.gguf", f"{tmp_path}/model.gguf"))
    return path


async def test_a_good_config_shows_each_models_resolved_command_line(config, swapd):
    done = await swapd("check")
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    command = shlex.split(lines[1].removeprefix("  command  "))
    assert lines[0] == "qwen"
    assert command[0] == sys.executable
    assert command[command.index("--threads") + 1] == str(threads())
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[-2:] == ["--grammar", "it's a test"]
    assert " --port <port> " in lines[1]
    assert lines[2:4] == ["  aliases  gpt-4o, fast", "  needs    engines 1"]
    assert "set by the operator" not in done.stdout
    assert " MiB of ram, estimated from the file (" in lines[4]
    assert lines[5] == "  ttl      30m"
    assert lines[8].endswith("--publish '127.0.0.1:<port>:80' --port <port>")
    assert lines[10].startswith("  memory   not known yet: the command names no model file")
    assert lines[11] == "  ttl      pinned"
    assert lines[-1] == f"{config} is good: 2 models, 2 aliases"


async def test_pools_and_clients_are_counted_where_there_are_any(config, swapd):
    more = "pools: {both: {models: [qwen, raw]}}\nclients: {me: {key: k-of-mine}, you: {key: k-of-yours}}\n"
    config.write_text(config.read_text() + more)
    config.chmod(0o600)
    done = await swapd("check")
    assert done.stdout.rstrip().endswith("is good: 2 models, 2 aliases, 1 pool, 2 clients")
    assert "\nboth\n  pool     qwen, raw (choose: warm)\n" in done.stdout
    shown = json.loads((await swapd("check", "--json")).stdout)
    assert shown["pools"] == [{"name": "both", "models": ["qwen", "raw"], "choose": "warm"}]


async def test_a_good_config_as_json(config, swapd):
    done = await swapd("check", "-c", str(config), "--json")
    shown = json.loads(done.stdout)
    assert (shown["problems"], shown["warnings"], shown["files"]) == ([], [], [str(config)])
    qwen = shown["models"][0]
    assert (qwen["name"], qwen["aliases"], qwen["ttl"]) == ("qwen", ["gpt-4o", "fast"], 1800.0)
    assert "<port>" in qwen["command"]


async def test_all_problems_are_printed_with_their_places_and_the_exit_code_is_2(tmp_path, swapd):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = await swapd("check", "-c", "bad.yaml")
    assert done.exit_code == 2
    assert f"{path}:2:1: modles: " in done.stdout
    assert f"{path}:4:26: models.a.ttl: " in done.stdout
    assert done.stdout.splitlines()[-1] == f"{path}: 2 problems"
    done = await swapd("check", "-c", "bad.yaml", "--json")
    assert done.exit_code == 2
    assert {p["key"] for p in json.loads(done.stdout)["problems"]} == {"modles", "models.a.ttl"}


async def test_warnings_fail_only_the_strict(config, swapd, tmp_path):
    (tmp_path / "model.gguf").unlink()
    done = await swapd("check")
    assert done.exit_code == 0
    assert f"warning: {config}:7:11: models.qwen.path: " in done.stdout
    assert done.stdout.splitlines()[-1].endswith("2 models, 2 aliases, 1 warning")
    assert (await swapd("check", "--strict")).exit_code == 1


@pytest.mark.parametrize("verb", ["check", "serve"])
async def test_without_a_config_the_places_are_named(verb, swapd):
    done = await swapd(verb)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "swapd.yaml" in done.stderr
    assert "--config" in done.stderr


async def test_serve_refuses_a_config_with_problems(tmp_path, swapd):
    (tmp_path / "swapd.yaml").write_text(BAD)
    done = await swapd("serve")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("swapd: cannot serve: the config has problems\n")
    assert "swapd.yaml:2:1: modles: " in done.stderr


async def test_version_names_the_parts_and_the_engine(swapd, tmp_path):
    engine = tmp_path / "llama-server"
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)
    done = await swapd("version", "--json", PATH=str(tmp_path))
    shown = json.loads(done.stdout)
    assert (shown["swapd"], shown["engine"]) == (__version__, str(engine))
    assert f"engine   {engine}\n" in (await swapd("version", PATH=str(tmp_path))).stdout


async def test_version_without_an_engine_says_how_to_get_one(swapd, monkeypatch):
    monkeypatch.setattr("swapd.cli.version.find_binary", lambda environ: None)
    assert "pip install 'swapd[engine]'" in (await swapd("version")).stdout


async def test_a_mistyped_verb_or_option_is_a_usage_error(swapd):
    done = await swapd("statsu")
    assert done.exit_code == 2
    assert "'status'" in done.stderr
    assert (await swapd("status", "--jsn")).exit_code == 2


@pytest.mark.parametrize("verb", [*VERBS, *ALSO])
async def test_every_verb_has_a_help_of_its_own(verb, swapd):
    done = await swapd(verb, "--help")
    assert done.exit_code == 0
    assert main.list_commands(None) == list(VERBS)
    assert len(done.stdout.splitlines()) > 5


def test_help_loads_no_verb_and_none_of_their_libraries():
    code = (
        "import sys, swapd.cli\n"
        "try: swapd.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'aiohttp', 'asyncio', 'rich', 'yaml', 'msgspec', 'psutil', 'swapd.config', 'swapd.cli.status'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ, timeout=20)
    assert done.stderr == "[]\n"
    assert "  serve     Run the daemon.\n" in done.stdout


async def test_what_each_model_takes_is_told_with_its_source_and_what_can_never_fit_is_marked(tmp_path, swapd):
    write_chat(tmp_path / "small.gguf", "x")
    state = f"state_dir: {tmp_path}/state\n"
    huge = f"  huge: {{path: {tmp_path}/small.gguf, needs: {{ram: 900GiB}}}}\n"
    models = f"models:\n  small: {{path: {tmp_path}/small.gguf, context: 512}}\n{huge}"
    (tmp_path / "swapd.yaml").write_text(state + "budget: {ram: 2GiB}\n" + models)
    done = await swapd("check", "-c", str(tmp_path / "swapd.yaml"), "--json")
    small, huge = json.loads(done.stdout)["models"]
    assert (small["source"], small["never_fits"]) == ("header", None)
    assert 0 < small["cost"]["ram"] < 1 << 30
    assert "MiB of ram, estimated from the file (" in small["memory"]
    assert (huge["source"], huge["cost"]) == ("operator", {"ram": 900 << 30})
    assert "it needs 900.0 GiB of ram, the budget has 2048 MiB" in huge["never_fits"]
    assert not (tmp_path / "state").exists()  # to check is to look
    strict = await swapd("check", "-c", str(tmp_path / "swapd.yaml"), "--strict")
    assert (strict.exit_code, "2 models, 0 aliases" in strict.stdout) == (1, True)
    assert strict.stdout.rstrip().endswith("1 warning")


async def test_a_file_that_no_engine_can_load_is_a_warning(tmp_path, swapd):
    (tmp_path / "cut.gguf").write_bytes(b"GGUF")
    (tmp_path / "swapd.yaml").write_text(f"models: {{a: {{path: {tmp_path}/cut.gguf}}}}\n")
    done = await swapd("check", "-c", str(tmp_path / "swapd.yaml"), "--strict")
    assert done.exit_code == 1
    assert "no engine can load it: cannot read " in done.stdout
    assert "  warning  no engine can load its file: fetch it again, or mend the path\n" in done.stdout
    assert "memory: a cannot be loaded at all: its file is cut short, or no model\n" in done.stdout
    assert done.stdout.rstrip().endswith("is good: 1 model, 0 aliases, 1 warning")
