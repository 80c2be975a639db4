"""When two launches share what was learned, and when they must not."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from swapd.core.spec import Launch
from swapd.machine.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path):
    for name in ("x.gguf", "proj.gguf", "draft.gguf", "one.gguf", "two.gguf", "llama-server", "engine.log"):
        (tmp_path / name).write_bytes(b"GGUF")
    for n in (1, 2, 3):
        (tmp_path / f"big-0000{n}-of-00003.gguf").write_bytes(b"GGUF")
    return tmp_path


def launch(*words, **others):
    open_ones = ("--host", "${host}", "--port", "${port}", "--threads", "${threads}")
    return Launch(("${binary}", *open_ones, *words), **others)


def grown(path):
    path.write_bytes(path.read_bytes() + b"more")


def touched(path):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


CHANGES = pytest.mark.parametrize("change", [grown, touched, os.remove])


def test_it_is_short_hex_and_the_same_every_time(folder):
    asked = launch("-m", str(folder / "x.gguf"))
    found = fingerprint(asked, None)
    assert found == fingerprint(replace(asked), None)
    assert 16 <= len(found) <= 32
    assert int(found, 16)


def test_it_is_the_same_in_a_later_life_of_the_daemon():
    """Pinned: whoever changes how it is made throws away what every user's swapd has learned."""
    asked = Launch(("${binary}", "-m", "/nowhere/ä.gguf"), (("A", "1"),))
    assert fingerprint(asked, None) == "e9285077bc3b0414c1f30aca"


@pytest.mark.parametrize("named", [("--alias", "b"), ("--alias=b",), ()])
def test_the_models_name_does_not_matter(folder, named):
    path = str(folder / "x.gguf")
    assert fingerprint(launch("--alias", "a", "-m", path), None) == fingerprint(launch(*named, "-m", path), None)


def test_the_word_after_a_joined_name_still_counts():
    assert fingerprint(launch("--alias=a", "-fa"), None) != fingerprint(launch("--alias=a", "-kvu"), None)


def test_the_health_path_and_the_working_folder_do_not_matter(folder):
    asked = launch("-m", str(folder / "x.gguf"))
    assert fingerprint(replace(asked, cwd="/", health="/v1/models"), None) == fingerprint(asked, None)


@pytest.mark.parametrize(
    "other",
    [
        launch("-c", "4096"),
        launch("-c", "2048", "--swa-full"),
        launch("2048", "-c"),
        launch("-c", "2048", env=(("CUDA_VISIBLE_DEVICES", "1"),)),
        launch("-c 2048"),
    ],
)
def test_another_flag_or_variable_is_another_launch(other):
    assert fingerprint(other, None) != fingerprint(launch("-c", "2048"), None)


@CHANGES
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("-m {}/x.gguf", "x.gguf"),
        ("--model={}/x.gguf", "x.gguf"),
        ("-m {}/big-00001-of-00003.gguf", "big-00001-of-00003.gguf"),
        ("-m {}/big-00001-of-00003.gguf", "big-00003-of-00003.gguf"),
        ("-m /no --mmproj {}/proj.gguf", "proj.gguf"),
        ("-m /no --model-draft {}/draft.gguf", "draft.gguf"),
        ("--lora {0}/one.gguf,{0}/two.gguf", "two.gguf"),
        ("--lora-scaled {0}/one.gguf:0.5,{0}/two.gguf:1", "two.gguf"),
        ("-v {}/x.gguf:/models/x.gguf:ro", "x.gguf"),
        ("--log-file=/no {}/x.gguf", "x.gguf"),
    ],
)
def test_a_changed_file_is_another_launch(folder, words, name, change):
    asked = launch(*words.format(folder).split())
    before = fingerprint(asked, None)
    change(folder / name)
    assert fingerprint(asked, None) != before


@CHANGES
def test_another_build_is_another_launch(folder, change):
    binary = folder / "llama-server"
    before = fingerprint(launch(), str(binary))
    change(binary)
    assert fingerprint(launch(), str(binary)) != before


def test_where_the_same_build_lies_does_not_matter(folder):
    before = fingerprint(launch(), str(folder / "llama-server"))
    (folder / "llama-server").rename(folder / "moved")
    assert fingerprint(launch(), str(folder / "moved")) == before


@pytest.mark.parametrize(
    "words", ["--log-file {}", "--log-file={}", "--log_file {}", "-lcd {}", "--lookup-cache-dynamic {}"]
)
def test_a_file_that_the_engine_writes_does_not_matter(folder, words):
    asked = launch(*words.format(folder / "engine.log").split())
    before = fingerprint(asked, None)
    grown(folder / "engine.log")
    assert fingerprint(asked, None) == before


def test_a_relative_file_is_looked_for_where_the_engine_runs(folder):
    asked = launch("-m", "x.gguf", cwd=str(folder))
    before = fingerprint(asked, None)
    assert before == fingerprint(asked, None)
    grown(folder / "x.gguf")
    assert fingerprint(asked, None) != before


def test_a_link_stands_for_its_file(folder):
    (folder / "link.gguf").symlink_to(folder / "x.gguf")
    asked = launch("-m", str(folder / "link.gguf"))
    before = fingerprint(asked, None)
    grown(folder / "x.gguf")
    assert fingerprint(asked, None) != before


@pytest.mark.parametrize("word", ["/no/such/file", "", "a" * 10_000, "nul\0", "\udc80", "/", "=,:", "{{'a': 1}}"])
def test_a_word_that_is_no_file_is_no_error(word):
    assert fingerprint(launch("-m", word), "/no/such/binary") == fingerprint(launch("-m", word), None)
