"""Text from outside is spelt out where it could do harm, and only there."""

from __future__ import annotations

import json
import sys

import pytest

from swapd.core.text import one_line, printable, without_secrets

KEPT = "two\nlines\tand naïve 模型 🦙 \\x1b"


def test_ordinary_text_stays_as_it_is():
    assert printable(KEPT) == KEPT


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("\x00\x1b[2J\r\x0b", r"\x00\x1b[2J\x0d\x0b"),
        ("\x7f\x80\x9b\x9f", r"\u007f\u0080\u009b\u009f"),
        ("\u200b\u200f\u202a\u202e\u2066\u2069\ufeff", r"\u200b\u200f\u202a\u202e\u2066\u2069\ufeff"),
        ("\ud800\udfff", r"\ud800\udfff"),
    ],
)
def test_what_drives_a_terminal_or_cannot_be_seen_is_spelt_out(text, spelt):
    assert printable(text) == spelt


def test_a_newline_is_the_only_end_of_a_line_that_is_left():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(printable(everything).splitlines()) == 2
    printable(everything).encode()


def test_json_text_remains_json_of_the_same_value():
    value = "".join(map(chr, range(0x3000)))
    assert json.loads(printable(json.dumps(value, ensure_ascii=False))) == value


def test_a_name_is_one_line_of_printable_characters():
    assert one_line("a\n\t\u00a0\U000e0001ü") == r"a\x0a\x09\u00a0\U000e0001ü"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["-H", "Authorization: Bearer abc"], ["-H", "Authorization: HIDDEN"]),
        (["-H", "X-Api-Key: abc"], ["-H", "X-Api-Key: HIDDEN"]),
        (["--proxy", "http://me:a@bc@host/x"], ["--proxy", "http://me:HIDDEN@host/x"]),
        (["--proxy=http://abc@host/x"], ["--proxy=http://HIDDEN@host/x"]),
        (["-c", "x --api-key abc -v && y --api-key=abc"], ["-c", "x --api-key HIDDEN -v && y --api-key=HIDDEN"]),
        (
            ["--key", "abc", "A_TOKEN=abc", "-m", "a@b.gguf"],
            ["--key", "HIDDEN", "A_TOKEN=HIDDEN", "-m", "a@b.gguf"],
        ),
        (["--url", "http://host:80/a@b"], ["--url", "http://host:80/a@b"]),
    ],
)
def test_a_command_is_shown_without_its_secrets_wherever_they_stand_in_it(words, shown):
    assert without_secrets(words) == shown
