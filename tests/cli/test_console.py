"""What is written: plain in a pipe, lively on a terminal, and numbers in words."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from swapd.cli.console import Bit, Line, Table
from swapd.cli.words import age, age_of, quantity, seconds, several, size

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TABLE = Table(
    ("NAME", "COUNT", "WHY"), [(Bit("a", "bold"), Bit("7"), Bit("x " * 60)), (Bit("bcd"), Bit(""), Bit(""))]
)


def test_a_table_in_a_pipe_is_columns_under_their_names_and_nothing_is_cut(pipe):
    pipe.table(TABLE)
    assert pipe.shown.splitlines() == [
        "NAME  COUNT  WHY",
        "a     7      " + ("x " * 60).rstrip(),
        "bcd   -      -",
    ]


def test_numbers_stand_at_the_right_of_their_column(pipe):
    pipe.table(Table(("N", "MS"), [(Bit("a"), Bit("12345")), (Bit("b"), Bit("7"))], frozenset({"MS"})))
    assert pipe.shown.splitlines() == ["N     MS", "a  12345", "b      7"]


def test_a_table_on_a_terminal_has_colour_and_wraps_only_its_last_column(terminal):
    terminal.table(TABLE)
    assert "\x1b[1m" in terminal.shown
    lines = [line.rstrip() for line in ESCAPES.sub("", terminal.shown).splitlines()]
    assert lines[0] == "NAME  COUNT  WHY"
    assert lines[1].startswith("a     7      x x x")
    assert lines[2].lstrip().startswith("x x")
    assert lines[-1] == "bcd   –      –"


def test_brackets_in_names_are_not_taken_for_markup(terminal):
    terminal.line("models[red] :smile: [/bold]")
    assert "models[red] :smile: [/bold]" in ESCAPES.sub("", terminal.shown)


def test_a_line_to_copy_is_never_broken(terminal):
    terminal.copyable(Bit("word " * 60, "cyan"))
    assert ESCAPES.sub("", terminal.shown).count("\n") == 1


def test_what_moves_is_silent_in_a_pipe_and_gone_from_a_terminal_when_over(pipe, terminal):
    for screen in (pipe, terminal):
        with screen.busy("loading red"):
            pass
    assert pipe.shown == ""
    assert "loading red" in terminal.shown
    assert terminal.shown.endswith("\x1b[2K")  # the line was wiped


def test_a_picture_that_is_kept_ends_as_it_was_last(terminal):
    words = ["one"]
    with terminal.live(lambda: [Line((Bit(words[0]),), 4)], keep=True):
        words[0] = "two"
    assert ESCAPES.sub("", terminal.shown).endswith("    two\n")


def test_a_bar_in_a_pipe_is_one_line(pipe):
    with pipe.bar("putting together", 100) as step:
        step(40)
        step(60)
    assert pipe.shown == "putting together\n"


EVIL = "\x1b]0;x\x07\r\x9b\x7f\u202e\ufeff\udc80"
HARMLESS = r"\x1b]0;x\x07\x0d\u009b\u007f\u202e\ufeff\udc80"


def test_nothing_that_is_shown_can_drive_the_terminal(pipe, terminal):
    for screen in (pipe, terminal):
        screen.line(EVIL)
        screen.copyable(Bit(EVIL))
        screen.text(f"{EVIL}\n")
        screen.table(Table(("NAME", "WHY"), [(Bit("a"), Bit(EVIL))]))
        with screen.bar(EVIL, 1) as step:
            step(1)
        with screen.live(lambda: [Line((Bit(EVIL),))], keep=True):
            pass
        screen.json({EVIL: 1})
        bare = ESCAPES.sub("", screen.shown).replace("\n", "").replace("\r", "")  # rich's own
        assert all(each.isprintable() for each in bare)
        assert screen.shown.count(HARMLESS) == (5 if screen is pipe else bare.count(HARMLESS))
    assert "\r" not in pipe.shown


def test_json_keeps_its_value_where_controls_are_spelt_out(pipe):
    pipe.json({"name": EVIL, "lines": "two\nlines"})
    assert json.loads(pipe.shown) == {"name": EVIL, "lines": "two\nlines"}
    assert pipe.shown.isascii()


def test_columns_stay_under_their_names_where_controls_are_spelt_out(pipe):
    pipe.table(Table(("NAME", "N"), [(Bit("\x1b"), Bit("1")), (Bit("abcdef"), Bit("2"))]))
    assert pipe.shown.splitlines() == ["NAME    N", r"\x1b    1", "abcdef  2"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-1, "0s"),
        (0.4, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (75, "1m 15s"),
        (3600, "1h"),
        (7380, "2h 3m"),
        (86399, "23h 59m"),
        (90000, "1d 1h"),
    ],
)
def test_an_age_shows_the_two_units_that_matter(value, words):
    assert age(value) == words


def test_the_age_of_a_moment_is_told_from_its_stamp():
    assert age_of("2026-01-01T00:00:00.500Z", datetime(2026, 1, 1, 0, 2, 5, tzinfo=UTC)) == "2m 4s"


def test_amounts_are_memory_or_counts_by_their_size():
    assert [quantity(n) for n in (0, 3, 512 << 20, 22 << 30)] == ["0", "3", "512 MiB", "22.0 GiB"]
    assert size(1023 << 20) == "1023 MiB"


def test_seconds_and_plurals():
    assert [seconds(0.042), seconds(12.345)] == ["0.04 s", "12.3 s"]
    assert [several(1, "alias"), several(2, "alias"), several(0, "model")] == ["1 alias", "2 aliases", "0 models"]
