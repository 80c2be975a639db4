"""Raw requests on the hottest route: how each must end, whoever parses it.

Facts of the grammar: RFC 9112 (message syntax), RFC 9110 (semantics).
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.web.raw import CHAT, STREAM, post

LINE = b"POST /v1/chat/completions HTTP/1.1"
HOST = b"Host: x"
LENGTH = b"Content-Length: %d" % len(CHAT)
CHUNKED = b"Transfer-Encoding: chunked"
IN_CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CHAT), CHAT)
SMUGGLED = post(b'{"model": "alpha", "smuggled": 1}')
ANY = -1
"""Whatever aiohttp makes of it: the front must only agree with it."""


@dataclass(frozen=True)
class Row:
    """``status``: hundreds of the first answer's status. ``bodies``: what the engine must have heard.

    ``fin``: the client half-closes after its bytes, and is owed no answer.
    ``why``: why a front may differ from aiohttp here; the engine may then hear fewer than ``bodies``,
    never others.
    """

    name: str
    sent: bytes
    status: int = 4
    bodies: tuple[bytes, ...] = ()
    answers: int = 1
    fin: bool = False
    why: str = ""


ONE_SEGMENT = "aiohttp refuses the good one too if the bad one comes in the same segment: a matter of timing"
VERSION = "aiohttp answers in the version that was asked in: there is no such answer"


def ask(*headers: bytes, line: bytes = LINE, body: bytes = CHAT, then: bytes = b"") -> bytes:
    """Nothing is added: what is asked is what is given."""
    return b"\r\n".join((line, *headers)) + b"\r\n\r\n" + body + then


def good(name: str, sent: bytes, *bodies: bytes, answers: int = 1) -> Row:
    return Row(name, sent, 2, bodies or (CHAT,), answers)


def coded(coding: bytes, body: bytes = IN_CHUNKS) -> bytes:
    return ask(HOST, coding, body=body, then=SMUGGLED)


def by_chunks(body: bytes) -> bytes:
    return coded(CHUNKED, body)


def at(path: bytes, method: bytes = b"POST", version: bytes = b"HTTP/1.1") -> bytes:
    return ask(HOST, LENGTH, line=b"%s %s %s" % (method, path, version))


LENGTHS = [
    Row("length before chunked", ask(HOST, LENGTH, CHUNKED, body=IN_CHUNKS, then=SMUGGLED)),
    Row("length after chunked", ask(HOST, CHUNKED, LENGTH, body=IN_CHUNKS, then=SMUGGLED)),
    Row("zero length with chunked", ask(HOST, b"Content-Length: 0", CHUNKED, body=IN_CHUNKS, then=SMUGGLED)),
    Row("two lengths that agree", ask(HOST, LENGTH, LENGTH)),
    Row("two lengths that do not", ask(HOST, LENGTH, b"Content-Length: 3", then=SMUGGLED)),
    *(
        Row(f"length {value!r}", ask(HOST, b"Content-Length: " + value, then=SMUGGLED))
        for value in (
            b"18, 18",
            b"18,3",
            b"+18",
            b"0x12",
            b"-1",
            b"",
            b"9" * 30,
            b"1 8",
            b"18;x",
            b"18.0",
            b"\xb2",
            b'"18"',
        )
    ),
    Row("a lookalike of a length", ask(HOST, b"Content_Length: 18", LENGTH), 2, (CHAT,)),
    Row("no framing at all", ask(HOST, body=b"")),
    Row("no framing, and a body that is a request", ask(HOST, body=b"", then=SMUGGLED), 4, (SMUGGLED[-33:],), 2),
    Row("length 0", ask(HOST, b"Content-Length: 0", body=b"")),
    good("length with leading zeros", ask(HOST, b"Content-Length: 00018")),
    good("length in spaces", ask(HOST, b"Content-Length:   18  ")),
    good("length in lower case", ask(b"host:x", b"content-length:18")),
]
WRONG = (
    b"xchunked",
    b"chunked, chunked",
    b"chunked, identity",
    b"identity",
    b"",
    b"chunked;q=1",
    b"chun\tked",
    b"\x0bchunked",
    b'"chunked"',
)
CODINGS = [
    good("chunked", ask(HOST, CHUNKED, body=IN_CHUNKS)),
    good("chunked in capitals", ask(HOST, b"TRANSFER-ENCODING: CHUNKED", body=IN_CHUNKS)),
    good("a chunk extension", ask(HOST, CHUNKED, body=IN_CHUNKS.replace(b"12\r\n", b"12;a=b\r\n", 1))),
    good("a chunk size with leading zeros", ask(HOST, CHUNKED, body=b"000" + IN_CHUNKS)),
    good("many chunks", ask(HOST, CHUNKED, body=b"".join(b"1\r\n%c\r\n" % c for c in CHAT) + b"0\r\n\r\n")),
    Row("trailers", ask(HOST, CHUNKED, body=IN_CHUNKS[:-2] + b"X-T: 1\r\n\r\n"), ANY, (CHAT,)),
    *(Row(f"coding {value!r}", coded(b"Transfer-Encoding: " + value)) for value in WRONG),
    *(
        Row(f"coding {value!r} of a body of a known length", ask(HOST, LENGTH, b"Transfer-Encoding: " + value))
        for value in (*WRONG, b"chunked", b"Chunked", b"gzip, chunked")
    ),
    Row("two codings", ask(HOST, CHUNKED, CHUNKED, body=IN_CHUNKS, then=SMUGGLED)),
    Row("chunked, then identity", ask(HOST, CHUNKED, b"Transfer-Encoding: identity", body=IN_CHUNKS)),
    *(
        Row(f"chunk size {value!r}", by_chunks(value + b"\r\n" + CHAT + b"\r\n0\r\n\r\n"))
        for value in (b"0x12", b"+12", b"-12", b" 12", b"1 2", b"xx", b"", b"1" * 17 + b"2", b"12\x00", b"12\n")
    ),
    Row("a chunk longer than its size", by_chunks(b"11\r\n" + CHAT + b"\r\n0\r\n\r\n")),
    Row("a chunk shorter than its size", by_chunks(b"13\r\n" + CHAT + b"\r\n0\r\n\r\n")),
    Row("a chunk that ends in a bare LF", by_chunks(b"12\r\n" + CHAT + b"\n0\r\n\r\n")),
    Row("a chunk size that ends in a bare LF", by_chunks(b"12\n" + CHAT + b"\r\n0\r\n\r\n")),
    Row("a trailer that is a length", by_chunks(IN_CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n"), ANY, ()),
    Row("gzip, chunked", ask(HOST, b"Transfer-Encoding: gzip, chunked", body=IN_CHUNKS), ANY),
    Row("chunked for HTTP/1.0", ask(CHUNKED, line=LINE[:-1] + b"0", body=IN_CHUNKS), ANY),
]
HEADERS = [
    *(
        Row(name, ask(HOST, header, LENGTH, then=SMUGGLED))
        for name, header in {
            "a space before the colon": b"X-A : 1",
            "a tab before the colon": b"X-A\t: 1",
            "a folded header": b"X-A: 1\r\n 2",
            "a folded header by a tab": b"X-A: 1\r\n\t2",
            "a bare CR in a value": b"X-A: 1\r2",
            "a bare LF between headers": b"X-A: 1\nX-B: 2",
            "a bare CR between headers": b"X-A: 1\rX-B: 2",
            "a NUL in a value": b"X-A: 1\x002",
            "a NUL in a name": b"X-\x00A: 1",
            "a vertical tab in a name": b"X-\x0bA: 1",
            "a control character in a value": b"X-A: 1\x012",
            "a DEL in a value": b"X-A: 1\x7f2",
            "an empty name": b": 1",
            "no colon": b"X-A",
            "a space in a name": b"X A: 1",
            "a name that is not ASCII": b"X-\xc3\xa4: 1",
            "a name in parentheses": b"(X-A): 1",
            "a second Host": b"Host: y",
            "a second Host that agrees": b"Host: x",
            "a header of 33 000 bytes": b"X-A: " + b"a" * 33_000,
            "a name of 33 000 bytes": b"X" * 33_000 + b": 1",
            "200 headers": b"\r\n".join(b"X-%d: 1" % n for n in range(200)),
        }.items()
    ),
    Row("a space before the first header", ask(b" " + HOST, LENGTH, then=SMUGGLED)),
    Row("a Host folded", ask(HOST + b"\r\n y", LENGTH)),
    Row("no Host", ask(LENGTH)),
    Row("Hosts of all kinds: empty", ask(b"Host:", LENGTH), ANY, (CHAT,)),
    Row("Hosts of all kinds: spaces and a slash", ask(b"Host: a b/c@d", LENGTH), ANY),
    Row("every line ends in a bare LF", ask(HOST, LENGTH).replace(b"\r\n", b"\n")),
    Row("the head ends in a bare LF", ask(HOST, LENGTH).replace(b"\r\n\r\n", b"\r\n\n")),
    Row("a value that is not ASCII", ask(HOST, b"X-A: \xe4\xff", LENGTH), 2, (CHAT,)),
    good("a tab in a value", ask(HOST, b"X-A:\t1\t2\t", LENGTH)),
    good("an empty value", ask(HOST, b"X-A:", LENGTH)),
    good("120 headers", ask(HOST, LENGTH, *(b"X-%d: 1" % n for n in range(120)))),
    good("a header of 30 000 bytes", ask(HOST, LENGTH, b"X-A: " + b"a" * 30_000)),
    Row("Expect of something else", post(CHAT, b"Expect: 200-ok")),
    Row("Expect of two things", post(CHAT, b"Expect: 100-continue, 200-ok")),
    Row("Expect 100-continue", post(CHAT, b"Expect: 100-continue"), 1, (CHAT,), 2),
    Row(
        "Expect 100-Continue for HTTP/1.0", ask(LENGTH, b"Expect: 100-Continue", line=LINE[:-1] + b"0"), 2, (CHAT,)
    ),
    good(
        "Upgrade to h2c", post(CHAT, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: A")
    ),
    Row("Upgrade to websocket", post(CHAT, b"Connection: Upgrade", b"Upgrade: websocket"), ANY),
    good("Connection: close", post(CHAT, b"Connection: close")),
    good("Connection: close among others", post(CHAT, b"Connection: x-a, Close")),
    good("Connection: close twice said otherwise", post(CHAT, b"Connection: keep-alive", b"Connection: close")),
    Row("Content-Encoding of plain JSON", post(CHAT, b"Content-Encoding: gzip")),
    good("Content-Encoding: identity", post(CHAT, b"Content-Encoding: identity")),
]
LINES = [
    Row("lower-case method", at(b"/v1/chat/completions", b"post")),
    Row("unknown method", at(b"/v1/chat/completions", b"BREW")),
    *(Row(f"{m.decode()} of the route", at(b"/v1/chat/completions", m)) for m in (b"PUT", b"OPTIONS", b"DELETE")),
    Row("GET of the route", ask(HOST, line=b"GET" + LINE[4:], body=b"")),
    Row("CONNECT", ask(HOST, line=b"CONNECT x:80 HTTP/1.1", body=b""), ANY),
    Row("HTTP/2.0", at(b"/v1/chat/completions", version=b"HTTP/2.0"), ANY, (CHAT,), why=VERSION),
    Row("HTTP/1.9", at(b"/v1/chat/completions", version=b"HTTP/1.9")),
    Row("HTTP/0.9", at(b"/v1/chat/completions", version=b"HTTP/0.9"), ANY, (CHAT,), why=VERSION),
    Row("http/1.1", at(b"/v1/chat/completions", version=b"http/1.1")),
    Row("HTTP/1.1 with a space", at(b"/v1/chat/completions", version=b"HTTP/1.1 ")),
    Row("HTTP/1.10", at(b"/v1/chat/completions", version=b"HTTP/1.10")),
    Row("no version", at(b"/v1/chat/completions", version=b""), ANY),
    Row("two spaces before the path", at(b" /v1/chat/completions"), ANY),
    Row("two spaces before the version", at(b"/v1/chat/completions "), ANY),
    Row("a tab before the path", at(b"/v1/chat/completions").replace(b" ", b"\t", 1)),
    Row("a tab in the path", at(b"/v1/chat/comp\tletions")),
    Row("a NUL in the path", at(b"/v1/chat/completions\x00")),
    Row("a path that is not ASCII", at(b"/v1/chat/completions?\xe4=1"), ANY),
    Row("a path without a slash", at(b"v1/chat/completions"), ANY),
    Row("an absolute form", at(b"http://x/v1/chat/completions"), ANY),
    Row("an absolute form of another host", at(b"http://y/v1/chat/completions"), ANY),
    Row("an absolute form of no scheme we know", at(b"ftp://x/v1/chat/completions"), ANY),
    Row("an asterisk", at(b"*", b"OPTIONS"), ANY),
    Row("a line of 17 000 bytes", at(b"/v1/chat/completions?" + b"a" * 17_000)),
    good("a line of 15 000 bytes", at(b"/v1/chat/completions?" + b"a" * 15_000)),
    Row("a path in percents", at(b"/v1/chat/c%6Fmpletions"), ANY),
    Row("a slash in percents", at(b"/v1%2Fchat/completions"), ANY),
    Row("a percent of no number", at(b"/v1/chat/completions%zz"), ANY),
    Row("dot segments", at(b"/v1/./chat/../chat/completions"), ANY),
    Row("a dot segment above the root", at(b"/../v1/chat/completions"), ANY),
    Row("double slashes", at(b"//v1//chat/completions"), ANY),
    Row("a slash at the end", at(b"/v1/chat/completions/")),
    Row("a semicolon", at(b"/v1/chat/completions;x=1")),
    Row("a fragment", at(b"/v1/chat/completions#x"), ANY),
    *(
        good(f"query {query!r}", at(b"/v1/chat/completions?" + query))
        for query in (b"", b"a=b&a=c", b"a=%2Fb%00%0d%0a", b"?a=%zz", b"a=b+c|d'e\"f", b"//a/../b", b"a;b==c&&")
    ),
    good("empty lines before the request", b"\r\n\r\n" + post()),
    Row("garbage before the request", b"\x16\x03\x01\x02\x00\x01" + post()),
    good("HTTP/1.0", ask(LENGTH, line=LINE[:-1] + b"0")),
    good("HTTP/1.0 that wants to stay", ask(LENGTH, b"Connection: keep-alive", line=LINE[:-1] + b"0")),
]
ENDS = [
    good("a second request behind the first", post() + post(STREAM), CHAT, STREAM, answers=2),
    *(
        Row(name, sent, ANY, (CHAT,), 2, why=ONE_SEGMENT)
        for name, sent in {
            "a second one behind a last one": post(CHAT, b"Connection: close") + SMUGGLED,
            "a second one behind a last one of HTTP/1.0": ask(LENGTH, line=LINE[:-1] + b"0", then=SMUGGLED),
            "garbage behind a request": post() + b"\x00garbage\r\n\r\n",
            "a bad one behind a good one": post() + ask(HOST, LENGTH, CHUNKED, body=IN_CHUNKS),
            "a length of 3 for a body of 18": ask(HOST, b"Content-Length: 3", then=SMUGGLED),
        }.items()
    ),
    Row("a body cut short", post()[:-1], fin=True),
    Row("a chunked body cut short", ask(HOST, CHUNKED, body=IN_CHUNKS[:-3]), fin=True),
    Row("a chunked body without its end", ask(HOST, CHUNKED, body=IN_CHUNKS[:-5]), fin=True),
    Row("a head cut short", post()[:40], fin=True),
    Row("a head without its empty line", ask(HOST, LENGTH, body=b"")[:-2], fin=True),
    Row("nothing", b"", fin=True),
]
ROWS = [*LENGTHS, *CODINGS, *HEADERS, *LINES, *ENDS]
