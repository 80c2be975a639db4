"""The address of a server that somebody else runs."""

from __future__ import annotations

import pytest

from swapd.core.engine import Endpoint
from swapd.core.urls import endpoint_of


@pytest.mark.parametrize(
    ("url", "found", "shown", "host"),
    [
        ("http://192.168.1.20:1234", Endpoint("192.168.1.20", 1234), "http://192.168.1.20:1234",
         "192.168.1.20:1234"),
        ("https://api.example.com/v1/", Endpoint("api.example.com", 443, tls=True), "https://api.example.com",
         "api.example.com"),
        ("https://h/openai/v1", Endpoint("h", 443, tls=True, prefix="/openai"), "https://h/openai", "h"),
        ("http://h/api/v10", Endpoint("h", 80, prefix="/api/v10"), "http://h/api/v10", "h"),
        ("https://[::1]:8443/", Endpoint("::1", 8443, tls=True), "https://[::1]:8443", "[::1]:8443"),
        ("http://[fe80::1]", Endpoint("fe80::1", 80), "http://[fe80::1]", "[fe80::1]"),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart_and_its_v1_cut_off(url, found, shown, host):
    assert endpoint_of(url) == found
    assert (str(found), found.authority) == (shown, host)
    assert endpoint_of(shown) == found


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://h", "'ftp://h' is no address of a server: write it like"),
        ("h:1234", "is no address of a server"),
        ("http://", "is no address of a server"),
        ("http://h:0", "there is no port 0: they go from 1 to 65535"),
        ("http://h:65536", "there is no port 65536"),
        ("http://[::g]", "is no address of a server"),
        ("http://[1::2::3]", "At most one '::'"),
        ("http://h/a b", "is no address of a server"),
        ("http://h/\r\nX: y", "is no address of a server"),
        ("http://bücher", "is no address of a server"),
        ("http://h/v1/chat/completions", "ends with the path of a request, .*: leave '/chat/completions' out"),
        ("https://h/openai/v1/models/", "leave '/models/' out"),
        ("http://h/api/chat", "leave '/api/chat' out"),
        ("http://a..b", "is no address of a server"),
        ("http://" + 64 * "a", "is no address of a server"),
    ],
)
def test_what_is_no_url_is_told(url, told):
    with pytest.raises(ValueError, match=told.replace("[", r"\[").replace("?", r"\?")):
        endpoint_of(url)


@pytest.mark.parametrize("url", ["http://ada:s3cret@h", "http://h?key=s3cret", "http://h/#s3cret"])
def test_what_may_be_a_secret_is_never_shown(url):
    with pytest.raises(ValueError, match="'api_key'") as caught:
        endpoint_of(url)
    assert "s3cret" not in str(caught.value)


def test_a_key_is_in_the_head_and_in_nothing_that_is_printed():
    where = endpoint_of("http://h:1/v1", "Authorization: Bearer s3cret")
    assert where.head == "Host: h:1\r\nAuthorization: Bearer s3cret\r\n"
    assert "s3cret" not in f"{where} {where!r}"
