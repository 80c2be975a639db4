"""What is not there is told before anybody makes room for it; what cannot be known is left to the engine."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from swapd.core.refusal import Reason
from swapd.core.spec import Launch, Spec
from swapd.machine import presence
from swapd.machine.presence import Presence


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("llama-server", "other"):
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    for name in ("there.gguf", "parts-00001-of-00002.gguf", "parts-00002-of-00002.gguf"):
        (tmp_path / name).write_text("a model")
    return tmp_path


def reason(disk, argv, binary="/bin/llama-server", **launch):
    missing = Presence({"PATH": str(disk / "bin")}, lambda: binary).missing(Launch(tuple(argv.split()), **launch))
    return None if missing is None else missing.reason


@pytest.mark.parametrize(
    "argv",
    [
        "${binary} -m {}/there.gguf --port ${port}",
        "${binary} -m {}/parts-00001-of-00002.gguf",
        "llama-server --model {}/there.gguf --lora {}/there.gguf -md {}/there.gguf",
        "{}/bin/llama-server -m {}/there.gguf",
        "other -m /no/such.gguf",
        "llama-server -hf some/model --mmproj /no/such.gguf",
        "llama-server -m {}/new.gguf --model_url=there/new.gguf",
        "llama-server -m /models/${port}.gguf",
    ],
)
def test_what_is_there_and_what_is_not_ours_to_know_is_let_through(disk, argv):
    assert reason(disk, argv.replace("{}", str(disk))) is None


@pytest.mark.parametrize(
    ("argv", "missing"),
    [
        ("${binary} -m {}/gone.gguf", "there is no file '{}/gone.gguf'"),
        ("${binary} -m {}/there.gguf --mmproj {}/gone.gguf", "there is no file '{}/gone.gguf'"),
        ("${binary} -m {}/there.gguf --lora {}/there.gguf,{}/no.gguf", "there is no file '{}/no.gguf'"),
        ("llama-server -m {}/there.gguf/within.gguf", "there is no file '{}/there.gguf/within.gguf'"),
        ("{}/bin/llama-server --model_draft {}/gone.gguf", "there is no file '{}/gone.gguf'"),
        ("llama-server -m {}/bin", "'{}/bin' is a folder"),
        ("no-such-program --port ${port}", "there is no program 'no-such-program'"),
        ("{}/there.gguf --port ${port}", "there is no program '{}/there.gguf'"),
    ],
)
def test_what_is_not_there_is_named(disk, argv, missing):
    assert reason(disk, argv.replace("{}", str(disk))) == missing.replace("{}", str(disk))


def test_of_a_model_in_parts_all_must_be_there(disk):
    (disk / "parts-00002-of-00002.gguf").unlink()
    argv = f"${{binary}} -m {disk}/parts-00001-of-00002.gguf"
    assert reason(disk, argv) == f"there is no file '{disk}/parts-00002-of-00002.gguf'"


def test_relative_words_begin_where_the_engine_will_stand(disk):
    assert reason(disk, "./bin/llama-server -m there.gguf", cwd=str(disk)) is None
    assert reason(disk, "./bin/llama-server -m there.gguf", cwd=str(disk / "bin")) is not None


def test_a_program_is_looked_for_on_the_path_that_the_engine_gets(disk):
    assert reason(disk, "other", env=(("PATH", "/no/such"),)) == "there is no program 'other'"
    assert Presence({}, lambda: None).missing(Launch(("sh",))) is None


def test_variables_of_llama_server_may_have_it_fetch_the_file(disk):
    argv = "${binary} -m /no/such.gguf"
    assert reason(disk, argv, env=(("LLAMA_ARG_MODEL_URL", "there/such.gguf"),)) is None
    assert reason(disk, argv, env=(("CUDA_VISIBLE_DEVICES", "0"),)) is not None


def test_without_any_llama_server_that_is_said(disk):
    assert reason(disk, f"${{binary}} -m {disk}/there.gguf", binary=None) == "there is no llama-server"


def test_a_file_that_may_not_be_read_is_named(disk, monkeypatch):
    (disk / "there.gguf").chmod(0)
    may = os.access
    root = os.geteuid() == 0  # whom the kernel lets read anything
    monkeypatch.setattr(os, "access", lambda p, how: may(p, how) and not (root and str(p).endswith(".gguf")))
    assert reason(disk, f"llama-server -m {disk}/there.gguf") == f"'{disk}/there.gguf' cannot be read"


async def test_who_asks_at_once_is_answered_by_one_look(monkeypatch):
    looks = []

    def slow(self, launch):
        looks.append(launch)
        time.sleep(0.05)
        return real(self, launch)

    real = Presence.missing
    monkeypatch.setattr(Presence, "missing", slow)
    there, spec = Presence({"PATH": ""}, lambda: None), Spec("m", Launch(("no-such",)))
    refused = await asyncio.gather(*(there.refusal(spec) for _ in range(20)))
    assert {r.reason for r in refused} == {Reason.START_FAILED}
    assert str(refused[0]) == (
        "cannot start the engine of model 'm': there is no program 'no-such'\n"
        "Hint: install it, or give its full path; the next request tries again"
    )
    assert len(looks) == 1
    await there.refusal(spec)
    assert len(looks) == 2


async def test_a_disk_that_does_not_answer_holds_up_nobody_for_long(monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(Presence, "missing", lambda *_: answers.wait(30))
    monkeypatch.setattr(presence, "PATIENCE", 0.05)
    try:
        async with asyncio.timeout(10):
            assert await Presence({}, lambda: None).refusal(Spec("m", Launch(("no-such",)))) is None
    finally:
        answers.set()


@pytest.mark.parametrize(
    "error", [OSError("the disk is on fire"), ValueError("embedded null byte"), RuntimeError()]
)
async def test_what_cannot_be_looked_at_is_left_to_the_engine(monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(Presence, "missing", fails)
    assert await Presence({}, lambda: None).refusal(Spec("m", Launch(("no-such",)))) is None
