"""What answers may be no swapd, not whole, or nobody at all: told in words, with what to do; no traceback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from click.testing import CliRunner, Result

from swapd.cli import client, connect, main

VERBS = {
    "status": ["status"],
    "explain": ["explain", "x"],
    "load": ["load", "x"],
    "unload": ["unload", "x"],
    "reload": ["reload"],
    "logs": ["logs", "x"],
    "events": ["events", "--no-follow"],
}
ASKING = [verb for verb in VERBS if verb not in ("logs", "events")]
"""Those that are answered with one JSON object."""
Reply = Callable[[socket.socket, bytes], None]


def run(*words: str, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(main, list(words))


def told(done: Result) -> str:
    """What was said on stderr by a verb that failed as verbs should."""
    assert isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code, "Traceback" in done.output) == (1, False)
    assert done.stderr.startswith("swapd: cannot ")
    return done.stderr


@contextmanager
def served(reply: Reply, *, path: Path | None = None) -> Iterator[str]:
    """The URL of a server that takes one connection, reads one piece, and does whatever ``reply`` does."""
    door = socket.socket(socket.AF_UNIX) if path else socket.create_server(("127.0.0.1", 0))
    if path:
        door.bind(str(path))
        door.listen()
    door.settimeout(5)

    def serve() -> None:
        with door.accept()[0] as peer:
            peer.settimeout(5)
            reply(peer, peer.recv(1 << 16))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"unix:{path}" if path else f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        thread.join(5)
        door.close()
        assert not thread.is_alive()


def says(text: str | bytes, kind: str = "application/json", head: str = "200 OK", more: str = "") -> Reply:
    """One whole answer."""
    body = text.encode() if isinstance(text, str) else text
    lines = f"HTTP/1.1 {head}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return lambda peer, asked: peer.sendall(lines.encode() + body)


def silent(peer: socket.socket, asked: bytes) -> None:
    """Nothing comes from here; it sees the caller go."""
    while peer.recv(1 << 16):
        pass


# -- what is sent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["secret\nword", "secret\r\nX-Evil: word", "secret\x1bword", "secret\x7fword"])
def test_a_key_that_no_header_can_carry_is_told_without_it(key: str) -> None:
    text = told(run("status", "--url", f"http://127.0.0.1:{unused_port()}", SWAPD_ADMIN_KEY=key))
    assert "$SWAPD_ADMIN_KEY" in text
    assert "secret" not in text
    assert "word" not in text


@pytest.mark.parametrize(
    ("key", "sent"), [("k\n", b"k"), ("clé", "clé".encode()), ("\udcff", b"\xff")], ids=["newline", "é", "byte"]
)
def test_a_key_is_sent_as_it_is_written_but_for_the_blank_around_it(key: str, sent: bytes) -> None:
    heads = []

    def reply(peer: socket.socket, asked: bytes) -> None:
        heads.append(asked)
        says('{"model": "x", "state": "cold"}')(peer, asked)

    with served(reply) as url:
        assert run("unload", "x", "--url", url, SWAPD_ADMIN_KEY=key).exit_code == 0
    assert b"\r\nAuthorization: Bearer " + sent + b"\r\n" in heads[0]


@pytest.mark.parametrize(
    ("prefix", "model", "sent"),
    [
        ("", "a/b c", b"/admin/models/a%2Fb%20c/unload"),
        ("/hôme/", "é", b"/h%C3%B4me/admin/models/%C3%A9/unload"),
        ("/a%20b", "\udcff", b"/a%20b/admin/models/%FF/unload"),
    ],
)
def test_what_is_not_ascii_reaches_the_daemon(prefix: str, model: str, sent: bytes) -> None:
    heads = []

    def reply(peer: socket.socket, asked: bytes) -> None:
        heads.append(asked)
        says('{"model": "x", "state": "cold"}')(peer, asked)

    with served(reply) as url:
        assert run("unload", model, "--url", url + prefix).stdout == "x is cold\n"
    assert heads[0].startswith(b"POST " + sent + b" HTTP/1.1\r\n")


# -- where it is sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://:",
        "http://a:b",
        "http://a:99999",
        "http://[::1",
        "ftp://a",
        "http://a b/",
        "http://.ü..",
    ],
)
def test_what_is_no_url_is_told_with_how_to_write_one(url: str) -> None:
    assert f"cannot reach swapd at {url}: that is no URL; write it like http://host:port" in told(
        run("status", "--url", url)
    )


def test_an_ipv6_address_needs_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nobody(address: tuple[str, int], *rest: object, **more: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", nobody)
    assert "http://[::1]: connection refused; is it running?" in told(run("status", "--url", "http://[::1]"))
    told(run("status", "--url", "https://[::1]:1/x"))
    assert asked == [("::1", 80), ("::1", 1)]


def test_https_where_there_is_only_http_is_told_as_what_it_is() -> None:
    with served(says("{}", head="400 Bad Request")) as url:
        text = told(run("status", "--url", url.replace("http:", "https:")))
    assert "TLS failed: " in text
    assert "is it https there, with a certificate that this machine trusts?" in text


@pytest.mark.parametrize("answer", [b"\x15\x03\x01\x00\x02\x02\x46", b"SSH-2.0-OpenSSH_9.2\r\n", b"+PONG\r\n"])
def test_http_where_something_else_is_spoken_is_told_without_its_bytes(answer: bytes) -> None:
    with served(lambda peer, asked: peer.sendall(answer)) as url:
        text = told(run("status", "--url", url))
    assert (
        f"cannot understand what answers at {url}: it does not speak HTTP; is it a swapd, and is it http" in text
    )


@pytest.mark.parametrize("kind", ["missing", "no socket", "a folder", "too long"])
def test_a_socket_that_is_none_is_told_with_what_to_do(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("s" * 200 if kind == "too long" else "s")
    if kind == "no socket":
        path.touch()
    elif kind == "a folder":
        path.mkdir()
    text = told(run("status", "--url", f"unix:{path}"))
    reasons = {"missing": "no such file or directory", "too long": "AF_UNIX path too long"}
    assert f"{path}: {reasons.get(kind, 'connection refused')}; is it running?" in text


def test_a_socket_that_lets_only_others_in_is_not_said_to_be_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(connect._Unix, "connect", denied)
    text = told(run("status", "--url", "unix:/run/s"))
    assert "unix:/run/s: permission denied; ask as the user that it runs as" in text
    assert "is it running" not in text


@pytest.mark.parametrize("verb", ["logs", "events"])
def test_a_page_in_place_of_a_stream_is_not_shown_as_one(verb: str) -> None:
    with served(says("<html>hello", "text/html")) as url:
        done = run(*VERBS[verb], "--url", url)
    assert f"cannot understand the answer of {url} (HTTP 200, text/html): is this a swapd?" in told(done)
    assert done.stdout == ""


# -- what comes back ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "status"),
    [*((verb, "301 Moved") for verb in VERBS), ("status", "307 Temporary"), ("status", "308 So")],
)
def test_the_advice_that_a_redirect_leads_to_works(verb: str, status: str) -> None:
    target: list[str] = []

    def elsewhere(peer: socket.socket, asked: bytes) -> None:
        path = asked.split()[1].decode()
        says("", "text/html", status, f"Location: {target[0]}/behind/admin/it{path}\r\n")(peer, asked)

    seen: list[bytes] = []

    def there(peer: socket.socket, asked: bytes) -> None:
        seen.append(asked.split()[1])
        says('{"error": {"message": "cannot do it now"}}', head="503 Busy")(peer, asked)

    with served(there) as other:
        target.append(other)
        with served(elsewhere) as url:
            text = told(run(*VERBS[verb], "--url", url))
        advice = text.rpartition("; use ")[2].removesuffix(" as --url\n")
        assert f"{url} answers with a redirect to {other}/behind/admin/it/admin/" in text
        assert told(run(*VERBS[verb], "--url", advice)) == "swapd: cannot do it now\n"
    assert seen[0].startswith(b"/behind/admin/it/admin/")


@pytest.mark.parametrize(
    "place", ["https://sso.example/login?next=/admin/status", "/", "/admin/status", "//[", "file:///admin/status"]
)
def test_a_redirect_that_leads_nowhere_is_named_without_advice(place: str) -> None:
    with served(says("", "text/html", "302 Found", f"Location: {place}\r\n")) as url:
        text = told(run("status", "--url", url))
    assert text == f"swapd: cannot ask swapd: {url} answers with a redirect to {place}: is this a swapd?\n"


@pytest.mark.parametrize("verb", VERBS)
def test_a_page_for_people_is_no_swapd(verb: str) -> None:
    with served(says("<html>", "text/html", "404 Not Found")) as url:
        text = told(run(*VERBS[verb], "--url", url))
    assert f"cannot understand the answer of {url} (HTTP 404, text/html): is this a swapd?" in text


@pytest.mark.parametrize("answer", ["{}", '{"model": 1}', '{"models": 3, "problems": [7]}', '{"models": [{}]}'])
@pytest.mark.parametrize("verb", ASKING)
def test_an_object_of_another_shape_is_told(verb: str, answer: str) -> None:
    with served(says(answer)) as url:
        text = told(run(*VERBS[verb], "--url", url))
    assert f"cannot read the answer of {url}: it is not swapd's, or not this version's" in text


@pytest.mark.parametrize("answer", ["[1]", "null", '"x"', "{", '{"a": ' + "[" * 9000, b"\xff{}"], ids=range(6))
@pytest.mark.parametrize("verb", ASKING)
def test_what_is_no_object_is_told(verb: str, answer: str | bytes) -> None:
    with served(says(answer)) as url:
        assert f"cannot understand swapd at {url}: " in told(run(*VERBS[verb], "--url", url))


@pytest.mark.parametrize(
    "event",
    [
        "{}",
        "[]",
        "{",
        '{"type": 1, "text": ""}',
        '{"type": "x"}',
        '{"at": 5, "type": "x"}',
        '{"at": "soon"}',
        '{"at": "0001-01-01T00:00:00+14:00", "type": "x", "text": ""}',
    ],
)
def test_an_event_of_another_shape_is_told(event: str) -> None:
    with served(says(f"event: x\ndata: {event}\n\n", "text/event-stream")) as url:
        assert url in told(run(*VERBS["events"], "--url", url))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"cut"], ids=["nothing", "head", "body"])
def test_a_server_that_closes_in_the_middle_is_told(verb: str, part: bytes) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"
    with served(lambda peer, asked: peer.sendall(chunked if part == b"cut" else part)) as url:
        text = told(run(*VERBS[verb], "--url", url))
    assert url in text


@pytest.mark.parametrize("verb", ["status", "explain", "reload", "logs", "events"])
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"], ids=["", "head"])
def test_a_server_that_says_nothing_is_not_waited_for_without_bound(
    monkeypatch: pytest.MonkeyPatch, verb: str, part: bytes
) -> None:
    monkeypatch.setattr(client, "QUICK", 0.03)

    def stuck(peer: socket.socket, asked: bytes) -> None:
        peer.sendall(part)
        silent(peer, asked)

    with served(stuck) as url:
        assert "no answer within 0.03 s" in told(run(*VERBS[verb], "--url", url))


def test_a_tls_handshake_that_nobody_answers_is_not_waited_for_without_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connect, "CONNECT", 0.03)
    with served(silent) as url:
        text = told(run("status", "--url", url.replace("http:", "https:")))
    assert "no answer within 0.03 s; is it running?" in text


def test_a_unix_socket_is_asked_as_an_address_is(tmp_path: Path) -> None:
    with served(says('{"model": "x", "state": "cold"}'), path=tmp_path / "s") as url:
        assert run("unload", "x", "--url", url).stdout == "x is cold\n"
    with served(says("", "text/html", "301 Moved", "Location: /admin/y\r\n"), path=tmp_path / "t") as url:
        assert told(run("status", "--url", url)).endswith("a redirect to /admin/y: is this a swapd?\n")
