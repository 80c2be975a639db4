"""Texts of other tools in, configs out: as ``swapd import`` does it, and as ``swapd check`` reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from swapd.cli.importing import parsed
from swapd.config import Loaded, load
from swapd.config.author import written
from swapd.core.draft import Draft, ModelDraft
from swapd.engines.llama_argv import spelled
from swapd.engines.llama_flags import BY_NAME
from swapd.importers.recognise import imported
from swapd.importers.sheet import Source

ENVIRON = {
    "HOME": "/home/me",
    "PATH": "/usr/bin",
    "MODEL_HOME": "/m",
    "CHAT_KEY": "sk-of-the-chat",
    "CLOUD_KEY": "sk-of-the-cloud",
    "UPSTREAM_TOKEN": "t",
}


def draft(text: str, kind: str = "", name: str = "-") -> Draft:
    """What a text comes to."""
    return imported(Source(text, "/srv/stack", name), parsed, kind)


def model(text: str, kind: str = "") -> ModelDraft:
    """The one model that it comes to."""
    (found,) = draft(text, kind).models
    return found


@pytest.fixture
def good(tmp_path: Path) -> Callable[[Draft], Loaded]:
    """The draft as the config that it is written as, which must be without problems."""

    def check(made: Draft) -> Loaded:
        path = tmp_path / "swapd.yaml"
        path.write_text(written(made))
        loaded = load(path, ENVIRON)
        assert [str(problem) for problem in loaded.problems] == []
        return loaded

    return check


def flags(words: list[str] | tuple[str, ...]) -> dict[str, str]:
    """A llama-server's arguments by the first name of each flag; where one is said twice, the last counts."""
    found, rest = {}, iter(words)
    for word in rest:
        known = BY_NAME.get(spelled(word))
        if known is None:
            found[word] = ""
        else:
            found[known.names[0]] = next(rest) if known.metavar else ""
    return found
