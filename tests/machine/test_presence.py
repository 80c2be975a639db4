"""What is not there is told before anybody makes room for it; what cannot be known is left to the engine."""

from __future__ import annotations

import asyncio
import os
import struct
import threading
import time

import pytest

from swapd.core.refusal import Exit
from swapd.core.spec import Launch, Spec
from swapd.machine import presence
from swapd.machine.presence import Presence


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "bin").mkdir()
    for name, head in (
        ("llama-server", b"\x7fELF"),
        ("llama-server-in-a-box", b"#!/bin/sh\n"),
        ("other", b"\x7fELF"),
    ):
        program = tmp_path / "bin" / name
        program.write_bytes(head)
        program.chmod(0o755)
    for name, count in (("there.gguf", 0), ("parts-00001-of-00002.gguf", 2), ("parts-00002-of-00002.gguf", 2)):
        (tmp_path / name).write_bytes(header(count))
    return tmp_path


def header(parts):
    """Of a model that was cut into so many parts; 0: of one that was made whole again."""
    key = b"split.count"
    return b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, len(key)) + key + struct.pack("<IH", 2, parts)


def reason(disk, argv, binary="/bin/llama-server", **launch):
    missing = Presence({"PATH": str(disk / "bin")}, lambda: binary).missing(Launch(tuple(argv.split()), **launch))
    return None if missing is None else missing.reason


@pytest.mark.parametrize(
    "argv",
    [
        "${binary} -m {}/there.gguf --port ${port}",
        "${binary} -m {}/parts-00001-of-00002.gguf",
        "llama-server --model {}/there.gguf --lora {}/there.gguf -md {}/there.gguf --spec-type draft-simple",
        "{}/bin/llama-server -m {}/there.gguf",
        "other -m /no/such.gguf",
        "llama-server -hf some/model --mmproj /no/such.gguf",
        "llama-server -m {}/new.gguf --model_url=there/new.gguf",
        "llama-server -m /models/${port}.gguf",
        "llama-server -m {}/there.gguf --spec-draft-hf some/draft -md {}/draft.gguf",
        "llama-server -m {}/there.gguf --mmproj {}/new.gguf --mmproj-url there/new.gguf",
        "llama-server -m {}/new.gguf --gpt-oss-20b-default",
        "llama-server -m {}/there.gguf -md /no/such.gguf",
        "llama-server -m {}/there.gguf -md /no/such.gguf --spec-type ngram-mod",
        "llama-server -m {}/there.gguf --mmproj /no/such.gguf --no-mmproj-auto",
        'llama-server -m {}/there.gguf --lora "a,b.gguf"',
        "{}/bin/llama-server-in-a-box -m /models/in-the-box.gguf",
        "/opt/${threads}/llama-server -m {}/there.gguf",
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
        (
            "{}/bin/llama-server -m {}/there.gguf --model_draft {}/gone.gguf --spec-type draft-simple",
            "there is no file '{}/gone.gguf'",
        ),
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
    (disk / "parts-00001-of-00002.gguf").write_bytes(header(0))
    assert reason(disk, argv) is None  # it is whole: only its name is a part's
    (disk / "parts-00001-of-00002.gguf").write_bytes(b"no model")
    assert asyncio.run(Presence({"PATH": str(disk / "bin")}, lambda: None).look(spec(argv))) is None


def spec(argv):
    return Spec("m", Launch(tuple(argv.replace("${binary}", "llama-server").split())))


def test_relative_words_begin_where_the_engine_will_stand(disk):
    assert reason(disk, "./bin/llama-server -m there.gguf", cwd=str(disk)) is None
    assert reason(disk, "./bin/llama-server -m there.gguf", cwd=str(disk / "bin")) is not None
    for path in ("bin", "no-such:./bin"):
        assert reason(disk, "other", cwd=str(disk), env=(("PATH", path),)) is None
    assert reason(disk, "llama-server", cwd=str(disk / "bin"), env=(("PATH", ""),)) is None
    assert reason(disk, "other", env=(("PATH", "/opt/${threads}/bin"),)) is None
    assert reason(disk, "other", cwd="/no/such") == "there is no folder '/no/such'"


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
    monkeypatch.setattr(
        os, "access", lambda p, how, **more: may(p, how, **more) and not (root and str(p).endswith(".gguf"))
    )
    assert reason(disk, f"llama-server -m {disk}/there.gguf") == f"'{disk}/there.gguf' cannot be read"


def test_what_a_capability_lets_engines_read_is_let_through(disk, monkeypatch):
    def access(path, how, *, effective_ids=False):
        return effective_ids or not str(path).endswith(".gguf")  # to the real user it is closed

    monkeypatch.setattr(os, "access", access)
    assert reason(disk, f"llama-server -m {disk}/there.gguf") is None


async def test_who_asks_at_once_is_answered_by_one_look(monkeypatch):
    looks = []

    def slow(self, launch):
        looks.append(launch)
        time.sleep(0.05)
        return real(self, launch)

    real = Presence.missing
    monkeypatch.setattr(Presence, "missing", slow)
    there, spec = Presence({"PATH": ""}, lambda: None), Spec("m", Launch(("no-such",)))
    told = await asyncio.gather(*(there.look(spec) for _ in range(20)))
    hint = "install it, or give its full path; the next request tries again"
    assert set(told) == {Exit(reason="there is no program 'no-such'", hint=hint)}
    assert len(looks) == 1
    await there.look(spec)
    assert len(looks) == 2


async def test_a_disk_that_does_not_answer_holds_up_nobody_for_long(monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(Presence, "missing", lambda *_: answers.wait(30))
    monkeypatch.setattr(presence, "PATIENCE", 0.05)
    try:
        async with asyncio.timeout(10):
            assert await Presence({}, lambda: None).look(Spec("m", Launch(("no-such",)))) is None
    finally:
        answers.set()


@pytest.mark.parametrize(
    "error", [OSError("the disk is on fire"), ValueError("embedded null byte"), RuntimeError(), TypeError("a bug")]
)
async def test_what_cannot_be_looked_at_is_left_to_the_engine(monkeypatch, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(Presence, "missing", fails)
    assert await Presence({}, lambda: None).look(Spec("m", Launch(("no-such",)))) is None


async def test_a_disk_that_hangs_holds_one_thread_and_nobody_is_overtaken(monkeypatch):
    answers, looks, order = threading.Event(), [], []

    def hangs(*_):
        looks.append(1)
        answers.wait(30)

    monkeypatch.setattr(Presence, "missing", hangs)
    monkeypatch.setattr(presence, "PATIENCE", 2.0)
    there, one = Presence({}, lambda: None), Spec("m", Launch(("no-such",)))

    async def ask(name):
        assert await there.look(one) is None
        order.append(name)

    try:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            first = group.create_task(ask(1))
            await asyncio.sleep(0.2)
            second = group.create_task(ask(2))
            await first
            began = time.monotonic()
            await second
            await ask(3)
            assert time.monotonic() - began < 1.0  # they wait no longer than the first, or not at all
        assert order == [1, 2, 3]
        assert len(looks) == 1
    finally:
        answers.set()


async def test_a_mended_launch_is_looked_at_anew_while_an_old_look_hangs(monkeypatch):
    answers = threading.Event()

    def missing(self, launch):
        if launch.argv == ("old",):
            answers.wait(30)
            return Exit(reason="there is no file")
        return None

    monkeypatch.setattr(Presence, "missing", missing)
    monkeypatch.setattr(presence, "PATIENCE", 20.0)
    there = Presence({}, lambda: None)
    old = asyncio.create_task(there.look(Spec("m", Launch(("old",)))))
    try:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
            assert await there.look(Spec("m", Launch(("new",)))) is None
            answers.set()
            assert (await old).reason == "there is no file"
    finally:
        answers.set()
