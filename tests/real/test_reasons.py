"""What true engines say when they cannot start is understood."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from swapd.engines import hints
from tests.older_llama import is_older

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def files(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound model, and some that are not."""
    folder = tmp_path_factory.mktemp("broken")
    sound = tiny_models / "alpha.gguf"
    whole = sound.read_bytes()
    contents = {
        "page": b"<html>this is no model, but a page that says so</html>",
        "half": whole[: len(whole) // 2],
        "new": whole.replace(b"llama", b"zlama", 1),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {"sound": sound, "none": folder / "none", **{name: folder / name for name in contents}}


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("-m sound --no-such-flag", "--no-such-flag"),
        ("-m sound -ngl lots", "lots|-ngl|--gpu-layers"),
        ("-m sound --device CUDA9", "CUDA9"),
        ("-m none", "cannot be opened: check path"),
        ("-m page", "is no GGUF"),
        ("-m half", "is not whole"),
        ("-m new", "zlama"),
        ("-m sound --lora page", "check lora"),
        ("-m sound --mmproj page", "check mmproj"),
    ],
)
def test_what_an_engine_says_of_why_it_cannot_start_is_understood(engine_binaries, files, words, word):
    argv = [str(files.get(each, each)) for each in words.split()]
    argv = [*engine_binaries, *argv, "--port", "0"]
    for _ in range(10):
        end = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
        # That build crashes on its way out, now and then before it has said why.
        if end.returncode != -signal.SIGSEGV or not is_older(argv[0]) or b"apply lora" in end.stdout:
            break
    found = hints.ended(end.returncode, end.stdout.decode(errors="replace").splitlines()).hint or ""
    assert any(each in found for each in word.split("|")), (found, end.stdout[-2000:])
