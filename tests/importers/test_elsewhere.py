"""Commands of other machines: of Windows, and of a host behind ssh."""

from __future__ import annotations

import pytest

from tests.importers.conftest import draft, model

SWAP = r"""
macros: {server: 'C:\llama\llama-server.exe --port ${PORT}', dir: 'D:\gguf'}
models:
  a:
    cmd: |
      ${server} -m ${dir}\a.gguf ^
        # how much of it
        -ngl 99
    cmdStop: taskkill /PID ${PID} /F
  b: {cmd: '"C:\Program Files\llama\llama-server.exe" --port ${PORT} -m C:/gguf/b.gguf'}
  c: {cmd: 'C:\kobold\koboldcpp.exe --model C:\gguf\c.gguf --port ${PORT}'}
"""


def test_paths_of_windows_stay_readable_and_are_told(good):
    made = draft(SWAP)
    models = good(made).catalog.models
    a, b, c = made.models
    assert (a.keys["path"], a.keys["gpu_layers"]) == (r"D:\gguf\a.gguf", 99)
    assert r"D:\gguf\a.gguf: a path of Windows: write where that is on this machine" in a.remarks
    assert (
        r"left out: C:\llama\llama-server.exe: a program of Windows: here it is 'llama-server' of this machine"
        in (a.remarks)
    )
    assert b.keys["path"] == "C:/gguf/b.gguf"
    assert "C:/gguf/b.gguf: a path of Windows: write where that is on this machine" in b.remarks
    assert models["c"].launch.argv == ("koboldcpp", "--model", r"C:\gguf\c.gguf", "--port", "${port}")
    assert r"C:\gguf\c.gguf: a path of Windows: write where that is on this machine" in c.remarks
    assert "binary" not in a.keys | b.keys
    assert "path" not in a.notes | b.notes


CARET = 'C:\\llama\\llama-server.exe -m "C:\\My Models\\x.gguf" ^\r\n  --port 8080 -np 1^\r\n  -c 4096\r\n'
POWERSHELL = """$env:CUDA_VISIBLE_DEVICES = "0"
& "C:\\Program Files\\llama-server.exe" `
  -m 'C:\\My Models\\x.gguf' `
  -np 1 -c 4096
"""
BATCH = """@echo off
REM llama-server -m C:\\no.gguf
set "DIR=C:\\My Models"
set CTX=4096
start "llm" /b .\\llama-server.exe -m "%DIR%\\x.gguf" -np 1 -c %CTX%
"""


@pytest.mark.parametrize("text", [CARET, POWERSHELL, BATCH], ids=["cmd", "powershell", "batch"])
def test_a_pasted_command_of_windows_keeps_its_backslashes(text, good):
    made = draft(text)
    (found,) = made.models
    assert {"path": r"C:\My Models\x.gguf", "context": 4096, "parallel": 1}.items() <= found.keys.items()
    assert "args" not in found.keys
    assert (found.name, "binary" in found.keys) == ("x", False)
    assert any("written for Windows" in line for line in made.head)
    good(made)


def test_what_is_quoted_for_windows_stays_whole():
    found = model(r'llama-server.exe -m C:\a.gguf --chat-template-kwargs "{\"thinking\": false}" --x "%NO%\y.bin"')
    assert found.keys["args"][:4] == ["--chat-template-kwargs", '{"thinking": false}', "--x", r"${env.NO}\y.bin"]
    assert any("$NO: not set" in line for line in found.remarks)


def test_a_folder_of_windows_is_told_and_no_path_is_joined_to_it():
    made = draft("cd /d C:\\llama\nllama-server.exe -m models\\a.gguf -np 1")
    assert made.models[0].keys["path"] == "models\\a.gguf"
    assert any(line.startswith("cd C:\\llama: a path of Windows") for line in made.head)


@pytest.mark.parametrize("text", ["a C\\:x \\\n b", "#!/bin/sh\na.exe C:\\x", "grep 'x\\.y' \"^$\" z"])
def test_a_backslash_of_a_shell_is_no_path_of_windows(text):
    from swapd.importers.windows import is_windows

    assert not is_windows(text)


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ('ssh box "llama-server -m /a.gguf --host 0.0.0.0"', {"url": "http://box:8080"}),
        ("ssh -p 22 me@box llama-server -m /a.gguf --port 8081", {"url": "http://box:8081"}),
        (
            "nohup ssh -tt -i ~/.ssh/k ssh://me@box:22 'cd /x && exec ./llama-server -m /a.gguf' &",
            {"url": "http://box:8080"},
        ),
        ("ssh -L9001:localhost:8080 box llama-server -m /a.gguf", {"url": "http://127.0.0.1:9001"}),
        ("ssh me@fd00::7 llama-server -m /a.gguf", {"url": "http://[fd00::7]:8080"}),
        (
            "ssh box llama-server -m /a.gguf --embeddings --api-key sk-1",
            {"url": "http://box:8080", "api_key": "sk-1", "capabilities": ["embeddings"]},
        ),
        (
            "ssh box docker run -p 8001:8000 vllm/vllm-openai --model org/a",
            {"url": "http://box:8001", "engine": "vllm", "upstream_model": "org/a"},
        ),
        (
            "cd /y; CUDA_VISIBLE_DEVICES=1 ssh box vllm serve org/a --port 8002",
            {"url": "http://box:8002", "engine": "vllm", "upstream_model": "org/a"},
        ),
    ],
)
def test_a_server_behind_ssh_is_asked_there_and_not_started_here(line, keys, good):
    made = draft(line)
    (found,) = made.models
    assert (found.name, dict(found.keys)) == ("a", keys)
    assert any("where ssh starts it: swapd asks it there, by its 'url'" in line for line in found.remarks)
    assert any(line.startswith("left out: ssh ") for line in found.remarks)
    good(made)


def test_a_server_that_answers_its_own_machine_alone_is_told():
    closed = "it answers box alone: start it with --host 0.0.0.0 there, or lead a tunnel to it"
    assert closed in model("ssh box llama-server -m /a.gguf").remarks
    assert closed not in model("ssh box llama-server -m /a.gguf --host 0.0.0.0").remarks


SSH = """
models:
  far: {cmd: 'ssh box llama-server -m /a.gguf --port 9000', proxy: 'http://box.lan:9000', ttl: 60}
  guess: {cmd: 'ssh box "llama-server -m /b.gguf --port ${PORT}"', proxy: 'http://box:${PORT}'}
  through: {cmd: 'ssh -L ${PORT}:localhost:8080 box llama-server -m /c.gguf'}
"""


def test_a_model_of_llama_swap_behind_ssh_has_the_address_of_its_proxy(good):
    made = draft(SSH)
    good(made)
    far, guess, through = made.models
    assert dict(far.keys) == {"url": "http://box.lan:9000"}
    assert "left out: ttl: 1m: swapd stops what it started itself" in far.remarks
    assert dict(guess.keys) == {"url": "http://box:8080"}
    assert "'url': the port is a guess; write the one that it has on box" in guess.remarks
    assert through.keys["command"].startswith("ssh -L ${port}:localhost:8080 box llama-server")


@pytest.mark.parametrize("line", ["ssh box uptime", "ssh box pkill llama-server", "ssh", "ssh box", "ssh -p"])
def test_another_command_behind_ssh_is_no_server(line):
    made = draft(f"{line}\nllama-server -m /a.gguf -np 1")
    assert [dict(each.keys) for each in made.models] == [{"path": "/a.gguf", "parallel": 1}]
