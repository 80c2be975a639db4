"""An engine's stream through a translation, however it is cut into pieces."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapd.web.framing import Counted, UntilClose
from swapd.web.rechunked import Rechunked
from swapd.web.translated import LONGEST, Translated, Unsayable

STREAM = (
    b': hello\n\ndata: {"n": 1}\r\n\r\nevent: x\ndata: {"a":\ndata: 2}\n\n'
    b'data:{"n": 3}\r\r\ndata: [DONE]\n\n: bye\n\n'
)


class Upper:
    """Says events in capitals, one a line."""

    streams = True
    stream_type = b"text/x"

    def whole(self, body):
        return body.upper()

    def event(self, data):
        if b"bad" in data:
            raise ValueError("what is bad?")
        return data.upper().replace(b"\n", b"|") + b"\n"

    def end(self):
        return b"END\n"

    def failure(self, status, body):
        return b"%d %s" % (status, body)


def told(pieces, body=None):
    passing = Translated(body or Counted(sum(map(len, pieces))), Upper())
    return b"".join(passing.take(piece) for piece in pieces), passing


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_every_event_is_told_once_and_in_order_whatever_the_pieces(cuts):
    marks = [0, *sorted(cuts), len(STREAM)]
    words, passing = told([STREAM[a:b] for a, b in pairwise(marks) if a < b])
    assert words == b'{"N": 1}\n{"A":|2}\n{"N": 3}\nEND\n'
    assert passing.over


def test_a_stream_that_ends_with_its_connection_is_complete_if_it_said_so():
    words, passing = told([STREAM], UntilClose())
    assert not passing.over
    assert words + passing.at_eof() == b'{"N": 1}\n{"A":|2}\n{"N": 3}\nEND\n'
    _, cut = told([b"data: 1\n\n"], UntilClose())
    assert cut.at_eof() is None


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"data: 1\n\n", "ended without"),
        (b"data: 1\n\ndata: bad\n\n", "what is bad"),
        (b'data: 1\n\ndata: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b'data: 1\n\ndata: {"error": "plain"}\n\n', "plain"),
        (b'data: 1\n\ndata: {"error": [\n\n', "error"),
        (b"data: 1\n\ndata: " + b"x" * (LONGEST + 1), "more than"),
    ],
)
def test_what_cannot_be_told_says_why_and_what_came_before_it_is_told(stream, why):
    with pytest.raises(Unsayable, match=why) as caught:
        told([stream])
    assert caught.value.told == b"1\n"


def test_a_long_event_in_small_pieces_takes_time_linear_in_its_length():
    def once(size):
        begun = time.process_time()
        told([b"x" * 4096] * (size // 4096) + [b"\n\ndata: [DONE]\n\n"])
        return time.process_time() - begun

    def seconds(size):
        return min(once(size) for _ in range(3))

    assert seconds(1 << 22) < 40 * max(seconds(1 << 19), 0.001)


def test_chunks_of_our_own_carry_it_to_the_end():
    body = Rechunked(Translated(Counted(len(STREAM)), Upper()))
    assert body.take(STREAM[:20]) == b""
    rest = body.take(STREAM[20:])
    assert rest == b'1f\r\n{"N": 1}\n{"A":|2}\n{"N": 3}\nEND\n\r\n0\r\n\r\n'
    assert body.over


def test_a_cut_stream_is_ended_in_words_of_ours():
    body = Rechunked(Translated(Counted(999), Upper()))
    body.take(b"data: 1\n\nda")
    assert body.at_eof() is None
    assert body.ended_with(b"\n\nsorry\n") == b"6\r\nsorry\n\r\n0\r\n\r\n"
