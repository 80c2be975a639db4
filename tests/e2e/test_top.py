"""``swapd top`` in a true terminal, by tmux, over a daemon with fake engines."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.processes import Running, fake, until
from tests.terminals import PROMPT, SWAPD, Terminal

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
]
Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """``terminal(80, 24)``: a shell in it."""
    opened: list[Terminal] = []

    def open_one(columns: int = 80, lines: int = 24, **environ: str) -> Terminal:
        opened.append(Terminal(tmp_path, columns, lines, **environ))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def config(extra: str = "", port: int = 0, load: float = 0.5) -> str:
    noisy = fake("--long-line", "200000", "--binary-log")
    return f"""
listen: 127.0.0.1:{port}
budget: {{engines: 1}}
{extra}
models:
  alpha: {{command: "{fake("--load-seconds", str(load))}", concurrency: 2, aliases: [first]}}
  noisy: {{command: "{noisy}"}}
  "日本<b>": {{command: "{fake("--exit-code", "3")}"}}
"""


def at(daemon: Running) -> str:
    return f"{SWAPD} top --url {daemon.url}"


def state(screen: str, model: str) -> str:
    """As the table has it."""
    row = next((line for line in screen.splitlines() if line[2:].startswith(model)), "")
    return next((word for word in row.split() if word in ("cold", "starting", "ready", "stopping")), "")


def is_in(model: str, wanted: str) -> Callable[[str], bool]:
    return lambda screen: state(screen, model) == wanted


def test_models_are_loaded_watched_filtered_and_unloaded_by_keys(start, terminal):
    daemon = start(config(load=2))  # long enough for it to be seen
    shell = terminal()
    shell.run(at(daemon))
    seen = shell.wait(is_in("alpha", "cold"))
    assert "日本<b>" in seen
    shell.press("l")
    shell.wait(is_in("alpha", "starting"))
    seen = shell.wait(lambda seen: state(seen, "alpha") == "ready" and "alpha is ready after" in seen)
    assert "load by the operator" in seen
    assert max(map(cell_len, seen.splitlines())) <= 80
    shell.press("p")
    shell.wait(lambda seen: "alpha ◆" in seen and "alpha is pinned" in seen)
    shell.press("p")
    shell.wait(lambda seen: "alpha ◆" not in seen and "alpha is not pinned any more" in seen)
    shell.press("/", "n", "o", "i", "Enter")
    seen = shell.wait("models: 1 of 3, filter noi")
    assert state(seen, "alpha") == ""
    shell.press("l", "Escape")
    shell.wait(lambda seen: state(seen, "noisy") == "ready" and state(seen, "alpha") == "cold")
    shell.press("u")
    seen = shell.wait(is_in("noisy", "cold"))
    assert "alpha" in seen


def test_a_log_is_followed_whatever_is_in_it(start, terminal):
    daemon = start(config())
    shell = terminal()
    shell.run(at(daemon))
    shell.wait("models: 3")
    shell.press("/", "n", "o", "i", "Enter", "f")
    shell.wait("log of noisy")
    shell.press("q", "l", "f")
    seen = shell.wait("after no text")
    assert "after the long line" in seen
    assert "\\x1b" in seen
    assert max(map(cell_len, seen.splitlines())) <= 80
    shell.press("g")
    seen = shell.wait("paused at line")
    assert "y" * 80 in seen
    assert max(map(cell_len, seen.splitlines())) <= 80
    shell.press("q")
    shell.wait("noisy is ready")


def test_details_say_why_and_a_small_screen_is_no_trouble(start, terminal):
    daemon = start(config())
    shell = terminal(100, 30)
    shell.run(at(daemon))
    shell.wait(is_in("alpha", "cold"))
    shell.press("i")
    assert "aliases: first" in shell.wait("leases: 0 of 2")
    shell.press("q")
    shell.wait(is_in("alpha", "cold"))
    shell.tmux("resize-window", "-x", "40", "-y", "12")
    seen = shell.wait(lambda seen: len(seen.splitlines()) == 12 and state(seen, "alpha"))
    assert max(map(cell_len, seen.splitlines())) <= 40
    shell.press("?")
    shell.wait("choose a model")


def test_the_terminal_is_left_as_it_was_found_however_it_ends(start, terminal, tmp_path):
    daemon = start(config())
    shell = terminal()
    found = tmp_path / "found"
    shell.run(f"stty -g > {found}; echo be''fore")
    shell.wait("before")
    for end in ("q", "C-c", signal.SIGTERM, "C-z"):
        shell.run(at(daemon))
        shell.wait("models: 3")
        assert (shell.tell("alternate_on"), shell.tell("cursor_flag")) == ("1", "0")
        if isinstance(end, signal.Signals):
            os.kill(shell.child(), end)
        else:
            shell.press(end)
        seen = shell.wait(lambda seen: "models: 3" not in seen and seen.rstrip().endswith(PROMPT.strip()))
        assert "before" in seen
        assert (shell.tell("alternate_on"), shell.tell("cursor_flag")) == ("0", "1")
    shell.run(f"stty -g | cmp {found} - && echo sa''me")
    shell.wait("same")
    shell.run("fg")
    shell.wait("models: 3")
    shell.press("q")
    shell.wait(lambda seen: seen.rstrip().endswith(PROMPT.strip()))
    shell.run(f"stty -g | cmp {found} - && echo a''gain $?")
    assert "Traceback" not in shell.wait("again 0")


async def test_a_terminal_that_goes_away_takes_it_along(start, terminal):
    daemon = start(config())
    shell = terminal()
    shell.run(at(daemon))
    shell.wait("models: 3")
    pid = shell.child()
    shell.close()
    await until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_daemon_that_goes_away_is_told_and_waited_for_until_it_does_not_want_us(start, terminal):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = start(config(port=port))
    shell = terminal()
    shell.run(f"{at(daemon)}; echo ended with $?")
    shell.wait("models: 3")
    daemon.stop()
    seen = shell.wait("swapd said goodbye at")
    assert "trying again" in seen
    assert "alpha" in seen
    daemon = start(config(port=port))
    shell.wait("swapd is back")
    shell.press("l")
    shell.wait(is_in("alpha", "ready"))
    daemon.stop()
    start(config("admin: {key: s3cret}", port))
    seen = shell.wait("ended with 1")
    assert "operator's key" in seen or "SWAPD_ADMIN_KEY" in seen
    assert shell.tell("alternate_on") == "0"


def test_without_colour_and_without_utf_8_it_says_the_same(start, terminal):
    daemon = start(config())
    shell = terminal(NO_COLOR="1", LC_ALL="C")
    shell.run(at(daemon))
    seen = shell.wait(is_in("alpha", "cold"))
    assert "-- models: 3 ---" in seen
    raw = shell.screen("-e")
    assert "\x1b[3" not in raw.replace("\x1b[39", "")
    shell.press("q")
    shell.wait(lambda seen: "models: 3" not in seen)
    shell.run(f"clear; TERM=dumb {at(daemon)}")
    assert "models: 3" not in shell.wait(is_in("alpha", "cold"))


def test_the_cursor_goes_with_its_model_before_any_key_was_pressed(start, terminal):
    daemon = start(config())
    shell = terminal()
    shell.run(at(daemon))
    shell.wait("▶ alpha")
    asked = urllib.request.Request(f"{daemon.url}/admin/models/noisy/load", method="POST")
    with urllib.request.urlopen(asked, timeout=20) as answer:
        assert answer.status == 200
    seen = shell.wait(is_in("noisy", "ready"))
    assert seen.index("noisy") < seen.index("▶ alpha")
    assert "noisy ready for" not in seen
    shell.press("g")
    shell.wait("noisy ready for")
