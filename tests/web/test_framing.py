"""Where bodies end, however they come: in any chunks, cut into any reads."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapd.core.events import Usage
from swapd.web import framing, heads, usage
from swapd.web.framing import LAST_CHUNK, Chunked, Counted, Enchunked, Unchunked, UntilClose
from swapd.web.heads import Malformed

SIZE = re.compile(rb"([0-9a-fA-F]+)(?:;[^\r\n]*)?\r\n")
bodies = st.lists(st.binary(min_size=1, max_size=600), max_size=6)
cuts = st.lists(st.integers(0, 4000), max_size=12)


def written(chunks: list[bytes], extension: bytes = b"", trailer: bytes = b"", upper: bool = False) -> bytes:
    form = b"%X%s\r\n%s\r\n" if upper else b"%x%s\r\n%s\r\n"
    return b"".join(form % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n" + trailer + b"\r\n"


def pieces(text: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(text), *(n for n in at if n < len(text))})
    return [text[a:b] for a, b in itertools.pairwise(places)]


def read(text: bytes) -> bytes:
    """A strict reader of chunks: all of ``text``, or an assertion fails."""
    found = b""
    while True:
        size = SIZE.match(text)
        assert size, text[:20]
        length, text = int(size[1], 16), text[size.end() :]
        if not length:
            assert text == b"\r\n"
            return found
        assert text[length : length + 2] == b"\r\n"
        found, text = found + text[:length], text[length + 2 :]


@given(bodies, cuts, st.sampled_from([b"", b";a=b"]), st.sampled_from([b"", b"X-A: 1\r\n"]), st.booleans())
def test_chunks_pass_as_they_are_whatever_they_are_cut_into(chunks, at, extension, trailer, upper):
    body = Chunked()
    passed = b"".join(body.take(piece) for piece in pieces(written(chunks, extension, trailer, upper), at))
    assert body.over
    assert not body.extra
    assert read(passed) == b"".join(chunks)
    if not extension and not trailer:
        assert passed == written(chunks, upper=upper)


@given(bodies, cuts)
def test_without_their_chunks_bodies_are_the_data(chunks, at):
    body = Unchunked()
    assert b"".join(body.take(piece) for piece in pieces(written(chunks), at)) == b"".join(chunks)
    assert body.over


@given(bodies, cuts, st.data())
def test_wherever_a_stream_is_cut_one_event_more_can_follow(chunks, at, data):
    text = written(chunks, trailer=b"X-A: 1\r\n")
    end = data.draw(st.integers(0, len(text) - 1))
    body = Chunked()
    passed = b"".join(body.take(piece) for piece in pieces(text[:end], at))
    assert not body.over
    last = body.ended_with(b"the event")
    assert last is not None
    told = read(passed + last)
    assert told.endswith(b"the event")
    sent = told.removesuffix(b"the event")
    whole = b"".join(chunks)
    assert any(sent == whole[:n] + b"\n" * (len(sent) - n) for n in range(len(sent) + 1))


@given(bodies, cuts)
def test_what_follows_the_end_is_never_passed_on(chunks, at):
    body = Chunked()
    passed = b"".join(
        body.take(piece) for piece in pieces(written(chunks) + b"HTTP/1.1 200 OK", at) if not body.over
    )
    assert body.over
    assert read(passed) == b"".join(chunks)


@pytest.mark.parametrize(
    "text",
    [b"x\r\n", b"-1\r\n", b"1 \r\na\r\n",
     b"+1\r\na\r\n", b"0x1\r\na\r\n", b"1\na\r\n", b"1\r\nab\r\n", b"1\r\na\n", b"1 1\r\na", b"\r\n",
     b"1" * 16 + b"\r\n", b"1;" + b"x" * 5000, b"0\r\nno colon\r\n\r\n", b"1_0\r\n"],
)  # fmt: skip
def test_chunks_without_sense_are_malformed(text):
    body = Chunked()
    with pytest.raises(Malformed):
        for n in range(len(text)):
            body.take(text[n : n + 1])


def test_a_chunk_of_which_very_much_is_missing_is_not_filled_up():
    body = Chunked()
    body.take(b"fffffff\r\nx")
    assert body.ended_with(b"event") is None


@given(st.binary(max_size=300), st.integers(0, 300), cuts)
def test_a_counted_body_ends_with_its_last_byte(text, length, at):
    body = Counted(length)
    passed = b"".join(body.take(piece) for piece in pieces(text, at) if not body.over)
    assert passed == text[:length]
    assert body.over == (len(text) >= length)
    assert body.at_eof() is None


def test_a_body_that_ends_with_its_connection_is_put_into_chunks():
    body = Enchunked()
    assert read(body.take(b"one") + body.take(b"two") + (body.at_eof() or b"")) == b"onetwo"
    assert framing.plain(body).at_eof() == b""
    assert isinstance(framing.plain(body), UntilClose)
    assert body.at_eof() == LAST_CHUNK


@pytest.mark.parametrize(
    ("head", "method", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "POST", Counted),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", "POST", Counted),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "POST", Chunked),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", Counted),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "POST", Counted),
        (b"HTTP/1.0 200 OK\r\n\r\n", "POST", Enchunked),
    ],
)
def test_the_head_says_how_the_body_ends(head, method, kind):
    assert type(framing.of_answer(heads.status(head), method)) is kind


CHAT = b'data: {"choices":[],"usage":{"completion_tokens":7,"prompt_tokens":11}}\n\ndata: [DONE]\n\n'
TIMINGS = b'{"content":"x","timings":{"cache_n":30,"prompt_n":2,"prompt_ms":1.5,"predicted_n":4,"predicted_ms":9}}'
MESSAGE_START = (
    b'data: {"type":"message_start","message":{"content":[],'
    b'"usage":{"cache_read_input_tokens":30,"input_tokens":2,"output_tokens":0}}}\n\n'
)
WHOLE = MESSAGE_START + b" " * 600 + b'data: {"type":"message_delta","usage":{"output_tokens":9}}\n\n'
QUOTED = rb'{"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":5}"}}]}'


@pytest.mark.parametrize(
    ("first", "last", "prompt", "completion"),
    [
        (b"", CHAT, 11, 7),
        (b'{"usage":{"prompt_tokens":3,"total_tokens":3},"data":[[0.1', b"0.2]]}", 3, None),
        (b"", b'{"type":"message_delta","usage":{"input_tokens":2,"output_tokens":9}}', 2, 9),
        (MESSAGE_START, b'{"type":"message_delta","usage":{"output_tokens":9}}', 32, 9),
        (WHOLE, WHOLE, 32, 9),
        (b"", TIMINGS, 32, 4),
        (b"", QUOTED, None, None),
        (b"", b"", None, None),
    ],
)
def test_what_an_answer_cost_is_read_from_its_ends(first, last, prompt, completion):
    assert usage.read(first, last, 0.5) == Usage(0.5, prompt, completion)
