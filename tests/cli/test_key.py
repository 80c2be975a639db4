"""``swapd key``: just the key in a pipe, and on a terminal what to write into the config."""

from __future__ import annotations

import re

import pytest

from swapd.cli.key import fresh_key, show
from swapd.config import load
from tests.cli.test_console import ESCAPES

KEY = re.compile(r"sk-swapd-[A-Za-z0-9_-]{32}")


async def test_a_pipe_gets_a_fresh_key_each_time_and_nothing_else(swapd):
    first, second = await swapd("key"), await swapd("key", "laptop")
    assert (first.exit_code, first.stderr) == (0, "")
    assert KEY.fullmatch(first.stdout.removesuffix("\n"))
    assert KEY.fullmatch(second.stdout.removesuffix("\n"))
    assert first.stdout != second.stdout


@pytest.mark.parametrize("name", ["laptop", 'Ada\'s "phone": 2', "null", "7", "ß"])
def test_the_lines_on_a_terminal_are_a_config_that_lets_the_client_in(terminal, tmp_path, name):
    key = fresh_key()
    show(terminal, name, key)
    shown = [line.rstrip() for line in ESCAPES.sub("", terminal.shown).splitlines()]
    assert shown[0] == key
    path = tmp_path / "swapd.yaml"
    path.write_text("\n".join(["models: {}", *shown[shown.index("clients:") :]]) + "\n")
    found = load(path, {})
    assert found.problems == ()
    assert [(client.name, client.key) for client in found.settings.clients] == [(name, key)]
