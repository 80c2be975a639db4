"""Forms: which bytes of one the model's name is, however it comes in pieces; and what is no form is refused."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.web import form
from swapd.web.errors import Problem
from swapd.web.form import Form

TYPE = "multipart/form-data; boundary=b0"


def part(name: str, value: bytes, more: str = "", boundary: str = "b0") -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def body(*parts: bytes, boundary: str = "b0") -> bytes:
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


FILE = part("file", b"\x00RIFF\r\n--b\r\n--b1\r\n", '; filename="a.wav"\r\nContent-Type: audio/wav')


def read(*pieces: bytes, kind: str = TYPE) -> Form:
    found = Form(kind)
    for piece in pieces:
        found.feed(piece)
    found.finish()
    return found


def refused(*pieces: bytes, kind: str = TYPE) -> str:
    with pytest.raises(Problem) as error:
        read(*pieces, kind=kind)
    assert (error.value.form.status, error.value.form.code) == (400, "bad_request")
    return error.value.message


BEFORE = body(part("model", b"whisper"), FILE, part("stream", b"true"))
BEHIND = body(FILE, part("stream", b"false"), part("model", b"whisper"), b"")
NEAR = body(part("model", b"\r\n--b\r\r\n--b0x\r\n--b0-x--b0"), FILE)


@pytest.mark.parametrize("text", [BEFORE, BEHIND], ids=["before the file", "behind it"])
def test_the_model_is_found_before_and_behind_the_file(text):
    found = read(text).fields
    assert found["model"].text == "whisper"
    assert text[found["model"].start : found["model"].end] == b"whisper"
    assert found["stream"].text in ("true", "false")
    assert set(found) == {"model", "stream"}


@pytest.mark.parametrize("text", [BEFORE, BEHIND, NEAR, body(part("model", b""), FILE)])
def test_a_form_that_is_cut_anywhere_has_the_same_fields_at_the_same_places(text):
    whole = read(text).fields
    assert text[whole["model"].start : whole["model"].end] == whole["model"].value
    for cut in range(1, len(text)):
        assert read(text[:cut], text[cut:]).fields == whole
    assert read(*(text[n : n + 1] for n in range(len(text)))).fields == whole


@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n--b", b"\r\n--b0x", b"\r\n", b"--b0--"]), max_size=8),
    st.lists(st.integers(0, 400), max_size=12),
)
@settings(deadline=None, max_examples=150)
def test_a_value_of_any_bytes_is_found_to_the_byte(words, cuts):
    value = b"".join(words)
    if re.search(rb"\r\n--b0(--|[ \t\r])", b"\r\n" + value + b"\r\n"):
        return  # that would be a boundary
    text = body(FILE, part("model", value))
    marks = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    found = read(*(text[a:b] for a, b in pairwise(marks))).fields["model"]
    assert (text[found.start : found.end], found.value) == (value, value)


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"--b0", b"\r\n", b"--", FILE, b": "]), max_size=9))
@settings(deadline=None, max_examples=150)
def test_whatever_comes_is_a_form_or_is_refused_as_none(pieces):
    try:
        read(*pieces)
    except Problem as problem:
        assert problem.form.status == 400


def test_a_long_value_is_not_kept_but_its_place_is():
    text = body(part("model", b"x" * 5000))
    found = read(text[:2000], text[2000:]).fields["model"]
    assert found.value == b"x" * form.LONGEST_VALUE
    assert text[found.start : found.end] == b"x" * 5000


def test_names_are_read_as_senders_write_them():
    for head in (
        b"Content-Disposition: form-data; name=model",
        b'content-disposition:form-data;name="model"',
        b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="model"',
        b'Content-Disposition: form-data; filename="m; name=x"; name="model"',
    ):
        assert read(body(b"--b0\r\n" + head + b"\r\n\r\n\xc3\xa4\r\n")).fields["model"].text == "ä"


def test_a_boundary_may_be_quoted_and_look_as_clients_make_it():
    for boundary in ("----WebKitFormBoundary7MA4YWxkTrZu0gW", "=_b'()+_,-./:=?", "a b", "x" * 70):
        text = body(part("model", b"m", boundary=boundary), boundary=boundary)
        kind = f'Multipart/Form-Data; charset=utf-8; boundary="{boundary}"'
        assert read(text, kind=kind).fields["model"].text == "m"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("application/json", "it has Content-Type 'application/json'; this path takes multipart/form-data"),
        ("", "it has no Content-Type"),
        ("multipart/form-data", "no boundary"),
        ("multipart/form-data; boundary=", "no boundary"),
        (f"multipart/form-data; boundary={'x' * 71}", "no boundary"),
        ('multipart/form-data; boundary="a\rb"', "no boundary"),
        ('multipart/form-data; boundary="a "', "no boundary"),
    ],
)
def test_what_is_not_the_type_of_a_form_is_refused(kind, why):
    assert why in refused(kind=kind)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"model": "whisper"}', "does not begin with its boundary"),
        (b"\r\n" + BEFORE, "does not begin with its boundary"),
        (BEFORE[:-4], "ends before its last boundary"),
        (part("model", b"a"), "ends before its last boundary"),
        (body(part("model", b"a"), FILE, part("model", b"a")), "two fields 'model'"),
        (body(b"--b0\r\nContent-Disposition: form-data; name=model\r\nX: \r\n\r\na\r\n"), "empty header"),
        (body(part("a", b"", "\r\nContent-Disposition: form-data; name=model")), "two Content-Dispositions"),
        (body(part("a", b"", "\r\nX: " + "x" * 5000)), "header size"),
        (body(part("a", b"", "\r\nX: x" * 9)), "header count"),
        (body(b"--b0\r\n\r\n\r\n" * 1001), "more than 1000 parts"),
    ],
)
def test_what_is_no_form_is_refused_with_what_is_wrong_with_it(text, why):
    assert why in refused(text)


def test_nothing_is_no_form():
    assert "ends before its last boundary" in refused()


def test_what_almost_is_a_boundary_costs_no_more_than_in_proportion():
    """The worst for the parser: 4 MB/s and more on a slow core. A squared cost would take minutes."""
    begun = time.process_time()
    for almost in (b"\r\n--b0x", b"\r\n--b0-x", b"\r\n--b", b"\r"):
        read(body(part("file", almost * ((1 << 19) // len(almost)))))
    assert time.process_time() - begun < 10
