"""One broken character costs a body that character, not the body; everything else stays as it came."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.web import asked
from swapd.web.errors import Problem
from swapd.web.repair import read, refusal, repair

BATCH = rb'{"model": "embed", "input": ["a cat", "%s", "two dogs"]}'
MARK = "\ufffd".encode()


@pytest.mark.parametrize(
    ("broken", "mended", "count"),
    [
        (rb"\udcca", rb"\ufffd", 1),
        (rb"a \uDCCA b", rb"a \ufffd b", 1),
        (rb"\udcca\udccb", rb"\ufffd\ufffd", 2),
        (rb"\ud800", rb"\ufffd", 1),
        (rb"\uDbFf tail", rb"\ufffd tail", 1),
        (rb"\ud800\n", rb"\ufffd\n", 1),
        (rb"\ud800\u0041", rb"\ufffd\u0041", 1),
        (rb"\ud800\\udcca", rb"\ufffd\\udcca", 1),
        (rb"\ud800\ud83d\ude00", rb"\ufffd\ud83d\ude00", 1),
        (rb"\ude00\ud83d", rb"\ufffd\ufffd", 2),
        (rb"\ud83d\ude00\ude00", rb"\ud83d\ude00\ufffd", 1),
        (rb"\\\udcca", rb"\\\ufffd", 1),
        (rb"\\\\\ud83d\\", rb"\\\\\ufffd\\", 1),
    ],
)
def test_each_half_of_a_surrogate_pair_becomes_the_replacement_character(broken, mended, count):
    assert repair(BATCH % broken) == (BATCH % mended, count)
    assert json.loads(BATCH % mended)["input"][::2] == ["a cat", "two dogs"]


@pytest.mark.parametrize(
    "sound",
    [
        rb"",
        rb"\ud83d\ude00",
        rb"\uD83D\uDE00\ud83d\uDe00",
        rb"\\udcca",
        rb"\\\\ud800",
        rb"\\ud83d\\ude00",
        rb"\ufffd \u0000 \ud7ff \ue000 \n",
        "Grüße, 日本語, 😀, \ufffd, \uffff".encode(),
    ],
)
def test_what_is_sound_stays_the_very_same_object(sound):
    body = BATCH % sound
    assert repair(body).body is body
    found, mended = read(body, asked.peek)
    assert found.model == "embed" and mended.body is body and mended.places == 0


@pytest.mark.parametrize(
    ("broken", "mended", "count"),
    [
        (b"\xed\xb3\x8a", MARK, 1),  # half a pair, encoded as if it were a character
        (b"\xed\xa0\xbd\xed\xb8\x80", MARK * 2, 2),
        (b"\xff", MARK, 1),
        (b"caf\xe9", b"caf" + MARK, 1),  # Latin-1
        (b"\xe6\x97 cut", MARK + b" cut", 1),
        (b"\xc0\xaf", MARK * 2, 2),  # a slash in too many bytes
        (MARK + b" \xff", MARK + b" " + MARK, 1),
        (rb"\udcca" + b"\xff", rb"\ufffd" + MARK, 2),
    ],
)
def test_bytes_that_are_no_character_become_the_replacement_character(broken, mended, count):
    assert repair(BATCH % broken) == (BATCH % mended, count)
    found, read_body = read(BATCH % broken, asked.peek)
    assert found.model == "embed" and read_body == (BATCH % mended, count)


pieces = st.sampled_from(
    [b"\\", b"\\\\", b"u", b"\\ud83d", b"\\uDE00", b"\\ude0", b"a", b"\\n", b"\xed\xb3\x8a", b"\xff", "é".encode()]
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=12).map(b"".join))
def test_what_python_can_read_is_read_as_before_but_for_the_halves(text):
    body = b'{"model": "m", "x": "%s"}' % text
    mended, count = repair(body)
    assert (mended is body) == (count == 0)
    assert repair(mended) == (mended, 0)
    try:
        before = json.loads(body.decode(errors="surrogatepass"))["x"]
    except (UnicodeDecodeError, json.JSONDecodeError):
        return  # broken in more than that
    # A pair of raw halves is two characters to Python's reader as to ours; a pair of escapes is one.
    after = "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in before)
    assert json.loads(mended)["x"] == after
    assert after.count("\ufffd") == count


@settings(deadline=None)
@given(st.lists(pieces, max_size=12).map(b"".join))
def test_the_reader_of_bodies_refuses_whatever_has_a_half(text):
    """``read`` leans on it: it looks for escapes only in what was refused."""
    body = b'{"x": "%s"}' % text
    try:
        asked.peek(body)
    except Problem:
        return
    assert repair(body).body.count(rb"\ufffd") == 0


@pytest.mark.parametrize("body", [b"", b"{", rb'{"model": "\udc"}', rb'{"a": \udcca}', b'{"model": \xff}'])
def test_what_is_broken_otherwise_is_refused_as_ever(body):
    with pytest.raises(Problem, match="cannot read the body as JSON"):
        read(body, asked.peek)


def test_a_strict_model_is_answered_with_what_is_wrong_and_what_to_do():
    assert refusal("embed", 2).message == (
        "cannot take the body as JSON: it has half a surrogate pair or bytes that are not UTF-8, in 2 places, "
        "and model 'embed' has strict_json; send U+FFFD there, or set 'strict_json: false'"
    )
    assert refusal("embed", 1).form.status == 400


def cpu(body: bytes) -> float:
    begun = time.thread_time()
    repair(body)
    return time.thread_time() - begun


@pytest.mark.parametrize(
    "spite",
    [b"\\", b"\\\\u", b"\\\\\\ud8zz", b"\\ud83d", b"\\ud83d\\ude00", b"\xff", b"\xed\xb3\x8a", b"\xed\xa0"],
)
def test_ten_times_the_spite_takes_ten_times_the_time(spite):
    size = 20_000
    few, many = (min(cpu(spite * (n // len(spite))) for _ in range(3)) for n in (size, 10 * size))
    assert many < 40 * few + 0.001, "it grows faster than the body"


def test_a_sound_body_costs_next_to_nothing_beside_the_reading_of_it():
    body = BATCH % (b"The quick brown fox jumps. " * 4000)

    def per_read(work) -> float:
        begun = time.thread_time()
        for _ in range(20):
            work()
        return time.thread_time() - begun

    plain, mending = (
        min(per_read(work) for _ in range(5))
        for work in (lambda: asked.peek(body), lambda: read(body, asked.peek))
    )
    assert mending < 2 * plain
