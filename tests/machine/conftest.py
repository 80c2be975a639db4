"""The scales at a desk that is played by hand."""

from __future__ import annotations

import pytest

from tests.machine.playing import Play
from tests.tiny_gguf import write_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("models"))


@pytest.fixture
async def play(tmp_path, folder):
    play = Play(tmp_path, folder)
    yield play
    await play.scales.aclose()
