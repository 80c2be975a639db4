"""``swapd check`` beyond the config's own text: flags, files, doors, keys, the service, and what fits together."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from swapd.cli.service import files as service_files
from swapd.cli.tiny_model import write_chat

HELP = "-m,    --model FNAME                    model\\n-c,    --ctx-size N                     context\\n"
HELP += "--host HOST                             host\\n--port PORT                             port\\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a model and an engine that knows few flags."""
    write_chat(tmp_path / "model.gguf", "x")
    engine = tmp_path / "llama-server"
    engine.write_text(f"#!/bin/sh\nprintf -- '{HELP}'\n")
    engine.chmod(0o755)
    return tmp_path


def written(place: Path, text: str, mode: int = 0o600) -> Path:
    path = place / "swapd.yaml"
    path.write_text(text.replace("PLACE", str(place)))
    path.chmod(mode)
    return path


COMMAND = "PLACE/llama-server -m PLACE/model.gguf --host ${host} --port ${port}"


async def test_flags_that_this_binary_does_not_know_are_told(place, swapd):
    written(
        place, f"models:\n  a: {{command: '{COMMAND} --ctx-sise 4096'}}\n  b: {{command: '{COMMAND} -c 4096'}}\n"
    )
    done = await swapd("check")
    told = "warning: a: it does not know '--ctx-sise' (did you mean '--ctx-size'?)"
    assert f"{told}: see `{place}/llama-server --help`" in done.stdout.splitlines()
    assert "warning: b: " not in done.stdout
    assert (done.exit_code, (await swapd("check", "--strict")).exit_code) == (0, 1)


async def test_a_binary_that_does_not_tell_is_not_held_against_the_line(place, swapd):
    (place / "llama-server").write_text("#!/bin/sh\nexit 1\n")
    written(place, f"models:\n  a: {{command: '{COMMAND} --whatever'}}\n")
    done = await swapd("check", "--strict")
    assert "--whatever'" not in "".join(x for x in done.stdout.splitlines() if "warning" in x)
    assert "note: a: its flags are not checked: `" in done.stdout
    assert done.exit_code == 0


async def test_a_projector_that_is_no_gguf_is_told(place, swapd):
    (place / "mmproj.gguf").write_text("<html>not found</html>")
    keys = "binary: PLACE/llama-server, path: PLACE/model.gguf, mmproj: PLACE/mmproj.gguf"
    written(place, f"models:\n  a: {{{keys}}}\n")
    assert f"warning: a: '{place}/mmproj.gguf' is no GGUF file" in (await swapd("check")).stdout


async def test_an_address_that_somebody_else_has_is_told(place, swapd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(place, f"listen: 127.0.0.1:{port}\nmodels: {{}}\n")
        done = await swapd("check")
    assert f"warning: 127.0.0.1:{port}: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stdout
    assert "warning: 127" not in (await swapd("check")).stdout


async def test_a_swapd_that_answers_there_is_no_trouble(place, swapd, front):
    written(place, f"listen: 127.0.0.1:{front.port}\nmodels: {{}}\n")
    done = await swapd("check", "--strict")
    assert done.exit_code == 0
    assert f"note: 127.0.0.1:{front.port}: a swapd answers there already" in done.stdout


async def test_a_unix_socket_is_left_as_it_is(place, swapd):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place / "door"))
    written(place, "listen: unix:PLACE/door\nmodels: {}\n")
    assert (await swapd("check", "--strict")).exit_code == 0
    assert (place / "door").is_socket()
    written(place, "listen: unix:PLACE/nowhere/door\nmodels: {}\n")
    assert "no file can be made in" in (await swapd("check")).stdout


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, True), (0o600, False)])
async def test_keys_that_others_may_read_are_told_once_a_file(place, swapd, mode, warned):
    path = written(place, "admin: {key: my-own-key}\nclients: {a: {key: key-of-the-a}}\nmodels: {}\n", mode)
    done = await swapd("check")
    assert done.stdout.count(f"{path}: keys stand in it, and others may read it") == warned


async def test_a_key_that_stands_elsewhere_may_be_in_an_open_file(place, swapd):
    written(place, 'admin: {key: "${env.THE_KEY}"}\nmodels: {}\n', 0o644)
    assert (await swapd("check", "--strict", THE_KEY="my-own-key")).exit_code == 0


async def test_the_unit_that_runs_this_config_is_compared_with_what_it_would_be(place, swapd, monkeypatch):
    path = written(place, "models: {}\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place / "home"))
    there = service_files.of_user(os.environ)
    there.units.mkdir(parents=True)
    there.service.write_text(f"[Service]\nExecStart=/opt/swapd serve --config {path}\n")
    assert f"note: {there.service}: it was edited" in (await swapd("check")).stdout
    there.service.write_text("[Service]\nExecStart=/opt/swapd serve --config /etc/other.yaml\n")
    assert (
        f"note: {there.service}: it runs with /etc/other.yaml, not with this file" in (await swapd("check")).stdout
    )


async def test_what_fits_together_is_said_in_a_sentence_and_as_json(place, swapd):
    keys = "binary: PLACE/llama-server, path: PLACE/model.gguf, context: 512"
    written(place, f"budget: {{ram: 8GiB}}\nmodels:\n  a: {{{keys}}}\n  b: {{{keys}, needs: {{ram: 7GiB}}}}\n")
    assert "memory: all fit together on ram" in (await swapd("check")).stdout
    written(place, f"budget: {{ram: 8GiB}}\nmodels:\n  a: {{{keys}}}\n  b: {{{keys}, needs: {{ram: 8GiB}}}}\n")
    shown = json.loads((await swapd("check", "--json")).stdout)
    assert shown["together"] == ["b fits alone on ram", "a fits alone on ram"]
    assert {frozenset(finding) for finding in shown["findings"]} == {frozenset({"about", "text", "note"})}
