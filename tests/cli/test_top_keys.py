"""Keys of ``swapd top``: bytes become names, and names the next screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from swapd.cli.top.keys import Keys
from swapd.cli.top.pages import Log
from swapd.cli.top.press import press
from swapd.cli.top.screen import Mode, Page, Verb, Wish
from tests.cli.top_scenes import MOMENT, ago, lines, model, scene


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"jk", ["j", "k"]),
        (b"\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[4~", ["up", "down", "pageup", "pagedown", "home", "end"]),
        (b"\r\n\x7f\x08\x03\x0c", ["enter", "enter", "backspace", "backspace", "ctrl-c", "ctrl-l"]),
        ("ü日".encode(), ["ü", "日"]),
        (b"\x1b[1;5A\x1b[200~q", ["q"]),
        (b"\x1bx", []),
        (b"\x1b\x1b[A", ["esc", "up"]),
        (b"\x00\x01\xff", ["\ufffd"]),
        (b"\x1b[" + b"1" * 500, []),
    ],
)
def test_what_a_terminal_sends_becomes_names_whole_or_in_pieces(sent, keys):
    known = [key for key in keys if key != "\ufffd"]
    assert [key for key in Keys().read(sent) if key != "\ufffd"] == known
    reader = Keys()
    pieces = [key for n in range(len(sent)) for key in reader.read(sent[n : n + 1])]
    assert [key for key in pieces if key != "\ufffd"] == known


def test_an_escape_alone_is_a_key_only_when_nothing_follows():
    keys = Keys()
    assert keys.read(b"\x1b") == []
    assert keys.waits
    assert keys.flush() == ["esc"]
    assert keys.read(b"\x1b[") == []
    assert keys.flush() == []
    assert keys.read(b"q") == ["q"]


class Player:
    """Presses keys, and keeps what was wished for."""

    def __init__(self, **screen) -> None:
        self.scene = scene(**screen)
        self.wishes: list[Wish] = []

    def press(self, *keys: str) -> Player:
        for key in keys:
            self.scene.screen, wish = press(self.scene.screen, key, self.scene.shown())
            self.wishes += [wish] if wish is not None else []
        return self

    @property
    def screen(self):
        return self.scene.screen


def test_the_cursor_moves_and_stops_at_both_ends():
    player = Player().press("j")
    assert player.screen.chosen == "embeddinggemma"
    assert player.press("down", "down", "k").screen.chosen == "llama-70b"
    assert player.press("end", "j").screen.chosen == "huge"
    assert player.press("g", "up").screen.chosen == "broken"
    assert player.press("pagedown").screen.chosen == "huge"


def test_the_cursor_stays_on_its_model_when_the_order_changes_and_goes_on_when_it_is_gone():
    player = Player(chosen="gemma-3-4b")
    change = {"now": ago(0), "models": [model("gemma-3-4b", "ready")], "status": {}}
    player.scene.mirror.hear("change", change, MOMENT)
    assert player.press("j").screen.chosen == "llama-70b"
    player.scene.mirror.hear("change", {"now": ago(0), "names": ["huge"]}, MOMENT)
    assert player.press("l").wishes == [Wish(Verb.LOAD, "huge")]


def test_letters_wish_for_what_they_say():
    player = Player(chosen="gemma-3-4b").press("l", "u", "p")
    assert [wish.verb for wish in player.wishes] == [Verb.LOAD, Verb.UNLOAD, Verb.PIN]
    assert {wish.model for wish in player.wishes} == {"gemma-3-4b"}
    assert Player(chosen="embeddinggemma").press("p").wishes == [Wish(Verb.UNPIN, "embeddinggemma")]


def test_a_busy_model_is_unloaded_only_after_a_yes():
    player = Player(chosen="qwen3-coder-30b").press("u")
    assert (player.screen.mode, player.wishes) == (Mode.ASKING, [])
    assert player.press("n").wishes == []
    assert player.screen.mode is Mode.PLAIN
    assert player.press("u", "y").wishes == [Wish(Verb.UNLOAD, "qwen3-coder-30b")]


def test_a_yes_does_not_fall_on_another_model_when_the_one_that_was_meant_is_gone():
    player = Player(chosen="qwen3-coder-30b").press("u")
    player.scene.mirror.hear("change", {"now": ago(0), "names": ["huge", "broken"]}, MOMENT)
    assert player.press("y").wishes == []


def test_the_filter_is_typed_and_cleared():
    player = Player().press("/", *"gemm")
    assert [found["name"] for found in player.scene.models()] == ["embeddinggemma", "gemma-3-4b"]
    assert player.press("enter", "l").wishes == [Wish(Verb.LOAD, "embeddinggemma")]
    assert len(player.press("esc").scene.models()) == 7
    assert len(player.press("/", *"SMALL").scene.models()) == 1
    assert len(player.press("backspace", "esc").scene.models()) == 7
    assert player.screen.mode is Mode.PLAIN
    assert len(player.press("/", *"x" * 500).screen.filter) == 60


def test_while_the_filter_is_typed_letters_do_nothing_else():
    assert Player().press("/", *"qlup").wishes == []


def test_pages_open_and_q_goes_back_before_it_quits():
    player = Player(chosen="broken")
    for key, page, verb in (
        ("enter", Page.DETAILS, Verb.EXPLAIN),
        ("i", Page.DETAILS, Verb.EXPLAIN),
        ("f", Page.LOG, Verb.FOLLOW),
        ("e", Page.EVENTS, None),
        ("?", Page.HELP, None),
    ):
        player.wishes.clear()
        player.press(key)
        assert player.screen.page is page
        assert [wish.verb for wish in player.wishes] == ([verb] if verb else [])
        player.press("q")
        assert player.screen.page is Page.MODELS
        assert player.wishes[-1].verb is Verb.LEAVE
    assert player.press("q").wishes[-1].verb is Verb.QUIT


def test_ctrl_c_quits_from_anywhere():
    for key in ("/", "f", "e", "?"):
        assert Player(chosen="broken").press(key, "ctrl-c").wishes[-1].verb is Verb.QUIT


def test_a_log_is_paused_by_space_or_scrolling_and_follows_again_at_its_end():
    player = Player(chosen="broken").press("f")
    player.scene.log = Log("broken")
    player.scene.log.add("line\n" * 100)
    assert player.press(" ").screen.pane.at == 100
    assert player.press(" ").screen.pane.at is None
    assert player.press("k", "k").screen.pane.at == 98
    player.scene.log.add("more\n")
    assert player.press("j").screen.pane.at == 99
    assert player.press("home").screen.pane.at == 20
    assert player.press("end").screen.pane.at is None
    assert player.press("pageup", "pagedown").screen.pane.at is None


def test_scrolling_an_empty_log_is_no_trouble():
    player = Player(chosen="broken").press("f", "k", "pageup", "home", " ", "j")
    assert lines(player.scene)


def test_details_scroll_no_further_than_their_end():
    player = Player(chosen="broken").press("i")
    player.scene.details = [f"fact {n}" for n in range(50)]
    assert player.press("pagedown", "pagedown", "pagedown", "pagedown").screen.pane.at == 29
    assert "fact 49" in lines(player.scene)[-3]
    assert player.press("home").screen.pane.at == 0


def test_keys_for_a_model_do_nothing_where_there_is_none():
    player = Player()
    player.scene.mirror.models.clear()
    assert player.press("l", "u", "p", "i", "f", "enter", "j", "G").wishes == []
    assert player.screen.page is Page.MODELS


def test_any_key_in_any_mode_is_no_trouble():
    every = [
        "j",
        "l",
        "u",
        "y",
        "p",
        "f",
        "q",
        "e",
        "?",
        "/",
        "esc",
        "enter",
        "home",
        "end",
        " ",
        "x",
        "pageup",
        "日",
    ]
    for page in Page:
        for mode in Mode:
            for key in every:
                player = Player(chosen="qwen3-coder-30b")
                player.scene.screen = replace(player.screen, page=page, mode=mode)
                assert lines(player.press(key).scene)
