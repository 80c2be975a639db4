"""The page's session: who gets one, what it opens, and what it never does."""

from __future__ import annotations

import asyncio
import gzip
import os
import threading
from contextlib import asynccontextmanager
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from aiohttp import web

from swapd.core.events import LoadWished
from swapd.core.settings import ClientKey, Settings
from swapd.core.told import Told
from swapd.engines import logs
from swapd.web import dashboard
from swapd.web.ended import FILE, Ended
from swapd.web.errors import Problem
from swapd.web.session import LASTS, Seal, cookie_name
from swapd.web.tries import ADDRESSES, MOST, WITHIN, Tries
from tests.processes import until

KEY = "the-operators-key"
NOW = 1767225600.0
"""What the clock of the fakes says: 2026-01-01."""
LOAD = "/admin/models/alpha/load?wait=0"


async def told(request: web.Request) -> web.Response:
    return web.json_response({"headers": dict(request.headers), "path": request.path})


@pytest.fixture
async def front(hall):
    built = await hall(told)
    built.config.settings = Settings(admin_key=KEY)
    return built


async def entered(front, **headers):
    """Cookie and token of a session."""
    answer = await front.client.post("/ui/session", json={"key": KEY}, headers=headers)
    assert answer.status == 200
    front.client.cookie_jar.clear()
    return SimpleCookie(answer.headers["Set-Cookie"])[name_of(front)], (await answer.json())["token"]


def name_of(front):
    return cookie_name(f"127.0.0.1:{front.port}")


def with_cookie(front, value, **more):
    return {"Cookie": f"{name_of(front)}={value}"} | more


async def test_a_key_opens_a_session_that_looks_at_all_and_changes_things_with_its_token(front):
    cookie, token = await entered(front)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (True, "Strict", "/", "")
    assert int(cookie["max-age"]) == LASTS
    ask = front.client.request
    assert (await ask("GET", "/admin/status", headers=with_cookie(front, cookie.value))).status == 200
    done = await ask("POST", LOAD, headers=with_cookie(front, cookie.value, **{"X-Swapd-Token": token}))
    assert done.status == 202
    assert front.gate.posted == [LoadWished("alpha")]


@pytest.mark.parametrize("token", [None, "", "wrong", "\u00e4"])
async def test_a_cookie_without_its_token_changes_nothing(front, token):
    cookie, _ = await entered(front)
    headers = with_cookie(front, cookie.value) | ({} if token is None else {"X-Swapd-Token": token})
    answer = await front.client.post(LOAD, headers=headers)
    assert (answer.status, (await answer.json())["error"]["code"]) == (403, "not_permitted")
    assert front.gate.posted == []


@pytest.mark.parametrize(
    "page", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
async def test_another_page_gets_nothing_by_the_cookie(front, page):
    cookie, token = await entered(front)
    headers = with_cookie(front, cookie.value, **{"X-Swapd-Token": token}) | page
    for method, path in (("GET", "/admin/status"), ("POST", LOAD), ("GET", "/admin/config")):
        assert (await front.client.request(method, path, headers=headers)).status == 401
    seen = await (await front.client.get("/ui/session", headers=headers)).json()
    assert (seen["open"], seen["token"]) == (False, None)
    assert (await front.client.post("/ui/session", json={"key": KEY}, headers=page)).status == 403
    assert (await front.client.delete("/ui/session", headers=headers)).status == 403


async def test_the_browsers_own_word_counts_where_a_proxy_has_changed_the_host(front):
    cookie, token = await entered(front)
    page = {"Origin": "https://desk.example", "Sec-Fetch-Site": "same-origin", "X-Swapd-Token": token}
    assert (await front.client.post(LOAD, headers=with_cookie(front, cookie.value, **page))).status == 202


def spoilt(session):
    nonce, until, mark = session.split(".")
    return {
        "a later end": f"{nonce}.{int(until) + 1}.{mark}",
        "another nonce": f"{'0' * 32}.{until}.{mark}",
        "no mark": f"{nonce}.{until}.",
        "nothing": "",
        "dots": "..",
        "long": session + "0" * 500,
        "odd": "\u00e4.1.2",
        "another key's": Seal("another-key").session(NOW),
        "its token": Seal(KEY).token(session),
        "old": Seal(KEY).session(NOW - LASTS),
    }


@pytest.mark.parametrize("how", list(spoilt("a.1.b")))
async def test_a_forged_or_expired_cookie_is_none(front, how):
    cookie, _ = await entered(front)
    headers = with_cookie(front, spoilt(cookie.value)[how])
    assert (await front.client.get("/admin/status", headers=headers)).status == 401
    seen = await (await front.client.get("/ui/session", headers=headers)).json()
    assert (seen["needs_key"], seen["open"], seen["token"]) == (True, False, None)


async def test_a_session_is_good_in_another_life_of_the_daemon_until_the_key_changes(front):
    headers = with_cookie(front, session := Seal(KEY).session(NOW - LASTS + 1))
    seen = await (await front.client.get("/ui/session", headers=headers)).json()
    assert (seen["open"], seen["token"]) == (True, Seal(KEY).token(session))
    front.config.settings = Settings(admin_key="a-new-one")
    assert (await front.client.get("/admin/status", headers=headers)).status == 401


def test_daemons_on_two_ports_of_one_name_have_cookies_of_their_own():
    names = [cookie_name(host) for host in ("box:9292", "box:9293", "box", "[::1]:80", "[::1]", "")]
    assert names == [f"swapd_session{port}" for port in ("_9292", "_9293", "", "_80", "", "")]


async def test_logging_out_takes_the_cookie_away_and_ends_the_session_for_all_who_have_a_copy(front):
    cookie, token = await entered(front)
    other, _ = await entered(front)
    stolen = with_cookie(front, cookie.value, **{"X-Swapd-Token": token})
    answer = await front.client.delete("/ui/session", headers=with_cookie(front, cookie.value))
    gone = SimpleCookie(answer.headers["Set-Cookie"])[name_of(front)]
    assert (answer.status, gone.value, gone["max-age"], gone["path"]) == (200, "", "0", "/")
    assert (await front.client.get("/admin/status", headers=stolen)).status == 401
    assert (await front.client.post(LOAD, headers=stolen)).status == 401
    assert (await (await front.client.get("/ui/session", headers=stolen)).json())["open"] is False
    assert (await front.client.get("/admin/status", headers=with_cookie(front, other.value))).status == 200


@pytest.mark.parametrize("path", ["/admin/events", "/admin/logs/alpha?follow=1"])
async def test_what_a_session_follows_ends_with_it(front, path, monkeypatch):
    over = asyncio.Event()

    @asynccontextmanager
    async def subscribe():
        async def lines():
            await over.wait()
            yield "said when nobody may hear it"

        yield lines()

    book = front.engines.logs("alpha")
    monkeypatch.setattr(book, "subscribe", subscribe)
    monkeypatch.setattr(front.engines, "logs", lambda model: book)
    cookie, _ = await entered(front)
    headers = with_cookie(front, cookie.value)
    followed = await front.client.get(path, headers=headers)
    assert followed.status == 200
    assert (await front.client.delete("/ui/session", headers=headers)).status == 200
    over.set()
    front.feed.tell(Told("kill", "said when nobody may hear it", "alpha", 1))
    assert b"nobody may hear" not in await asyncio.wait_for(followed.read(), 10)


async def test_a_log_in_which_nothing_is_said_is_let_go_of_with_the_session(front, monkeypatch):
    monkeypatch.setattr(logs, "QUIET", 0.05)
    book = logs.LogBook()
    monkeypatch.setattr(front.engines, "logs", lambda model: book)
    headers = with_cookie(front, (await entered(front))[0].value)
    followed = await front.client.get("/admin/logs/alpha?follow=1", headers=headers)
    await until(lambda: book._readers)
    book.write("said while one might hear it")
    assert await followed.content.readline() == b"said while one might hear it\n"
    assert (await front.client.delete("/ui/session", headers=headers)).status == 200
    assert await asyncio.wait_for(followed.read(), 10) == b""


@pytest.mark.parametrize(
    ("at", "path"),
    [
        ("/swapd/", "/swapd/"),
        ("/a/b%20c/", "/a/b%20c/"),
        ("", "/"),
        ("/", "/"),
        ("swapd/", "/"),
        ("/swapd", "/"),
        ("/x/; Domain=evil.example/", "/"),
        ("/x/\r\nX: y/", "/"),
        ("/" + "x" * 500 + "/", "/"),
    ],
)
async def test_the_cookie_is_for_the_path_below_which_a_proxy_has_the_page(front, at, path):
    asked = {"params": {"at": at}}
    answer = await front.client.post("/ui/session", json={"key": KEY}, **asked)
    made = SimpleCookie(answer.headers["Set-Cookie"])[name_of(front)]
    assert (made["path"], made["httponly"], made["samesite"]) == (path, True, "Strict")
    answer = await front.client.delete("/ui/session", headers=with_cookie(front, made.value), **asked)
    assert SimpleCookie(answer.headers["Set-Cookie"])[name_of(front)]["path"] == path


async def test_the_cookie_of_another_swapd_above_ours_disturbs_nobody(front):
    cookie, _ = await entered(front)
    name, strange = name_of(front), Seal("another-key").session(NOW)
    for pair in ((cookie.value, strange), (strange, cookie.value)):
        headers = {"Cookie": "; ".join(f"{name}={each}" for each in pair)}
        assert (await front.client.get("/admin/status", headers=headers)).status == 200
    assert (await front.client.delete("/ui/session", headers=headers)).status == 200
    assert (await front.client.get("/admin/status", headers=headers)).status == 401


# -- sessions that have ended ------------------------------------------------------------------------------


async def test_an_ended_session_stays_so_in_the_next_life_of_the_daemon(tmp_path):
    seal = Seal(KEY)
    gone, stays = seal.session(NOW), seal.session(NOW)
    await Ended(tmp_path).end(gone, NOW)
    kept = Ended(tmp_path)
    assert (kept.holds(gone), kept.holds(stays)) == (True, False)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    await kept.end(seal.session(NOW), NOW + LASTS)
    assert gone.partition(".")[0] not in (tmp_path / FILE).read_text()  # it is too old by itself


DEEP = b'{"x": ' + b"[" * 100_000
NOT_OURS = [b"", b"[]", b'{"ended": {"x": "soon"}}', b"\xff" * 10, b"{" * 100_000, DEEP, None]


@pytest.mark.parametrize("text", NOT_OURS)
async def test_a_file_that_is_not_ours_ends_nothing_and_is_written_anew(tmp_path, caplog, text):
    """None: a pipe, which nobody writes into."""
    os.mkfifo(tmp_path / FILE) if text is None else (tmp_path / FILE).write_bytes(text)
    session = Seal(KEY).session(NOW)
    ended = Ended(tmp_path)
    assert f"cannot read {tmp_path / FILE}: " in caplog.text
    assert not ended.holds(session)
    await ended.end(session, NOW)
    assert Ended(tmp_path).holds(session)


async def test_where_nothing_can_be_written_it_is_remembered_all_the_same_and_said(tmp_path, caplog):
    ended, session = Ended(tmp_path / "not there"), Seal(KEY).session(NOW)
    await ended.end(session, NOW)
    assert ended.holds(session)
    assert "cannot keep that a session has ended: " in caplog.text


async def test_a_clock_that_was_ahead_for_a_while_revives_no_session(tmp_path):
    ended, session = Ended(tmp_path), Seal(KEY).session(NOW)
    await ended.end(session, NOW)
    await ended.end(Seal(KEY).session(NOW + 2 * LASTS), NOW + 2 * LASTS)
    assert Ended(tmp_path).holds(session)
    assert not ended.holds(Seal(KEY).session(NOW + 1))


async def test_a_write_that_hung_puts_nothing_older_in_the_place_of_a_later_one(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("swapd.web.ended.PATIENCE", 0.05)
    answers, unlink, asked = threading.Event(), Path.unlink, []

    def hangs(path: Path, missing_ok: bool) -> None:
        asked.append(path)
        if len(asked) == 1:
            answers.wait(30)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", hangs)
    ended, seal = Ended(tmp_path), Seal(KEY)
    first, second = seal.session(NOW), seal.session(NOW)
    await ended.end(first, NOW)
    await ended.end(second, NOW)
    assert caplog.text.count("its folder does not answer") == 2
    answers.set()
    await until(lambda: len(asked) == 2 and Ended(tmp_path).holds(second), 10)
    assert Ended(tmp_path).holds(first)


async def test_no_number_of_log_outs_fills_the_memory_or_revives_a_session(monkeypatch):
    monkeypatch.setattr("swapd.web.ended.MOST", 3)
    ended, seal = Ended(), Seal(KEY)
    sessions = [seal.session(NOW + n) for n in range(6)]
    for session in sessions:
        await ended.end(session, NOW)
    assert all(ended.holds(session) for session in sessions)
    assert len(ended._kept.ended) == 3
    assert ended.holds(seal.session(NOW + 1))  # as old as one that was forgotten: rather one too many
    assert not ended.holds(seal.session(NOW + 6))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b'{"key": "wrong"}', 401),
        (b'{"key": ""}', 401),
        (b'{"key": "\xff"}', 400),
        (b'{"key": 5}', 400),
        (b"[]", 400),
        (b"", 400),
        (b'{"key": "' + b"x" * 20_000 + b'"}', 413),
    ],
)
async def test_a_wrong_key_gets_no_session(front, sent, status):
    answer = await front.client.post("/ui/session", data=sent)
    assert (answer.status, "Set-Cookie" in answer.headers) == (status, False)
    if status == 401:
        assert (await answer.json())["error"]["code"] == "invalid_api_key"


async def test_who_guesses_is_made_to_wait_even_for_the_right_key_but_sessions_go_on(front):
    cookie, _ = await entered(front)
    for _ in range(MOST):
        assert (await front.client.post("/ui/session", json={"key": "wrong"})).status == 401
    late = await front.client.post("/ui/session", json={"key": KEY})
    assert (late.status, (await late.json())["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(late.headers["Retry-After"]) <= WITHIN
    assert (await front.client.get("/admin/status", headers={"X-Api-Key": KEY})).status == 429
    assert (await front.client.get("/admin/status", headers=with_cookie(front, cookie.value))).status == 200


async def test_keys_in_headers_are_guessed_no_faster_and_a_program_that_never_learns_locks_nobody_out(front):
    for _ in range(2 * MOST):
        assert (await front.client.get("/admin/status", headers={"X-Api-Key": "old-key"})).status == 401
    assert (await front.client.get("/admin/status", headers={"X-Api-Key": KEY})).status == 200
    for n in range(MOST - 1):
        assert (await front.client.get("/admin/status", headers={"X-Api-Key": f"guess-{n}"})).status == 401
    assert (await front.client.get("/admin/status", headers={"X-Api-Key": KEY})).status == 429


def test_tries_are_forgotten_after_a_while_and_by_address():
    now = 100.0
    tries = Tries(lambda: now)
    for n in range(MOST):
        tries.wrong(f"2001:db8::{n:x}", (b"x",))
    for address in ("2001:db8::ffff:1", "2001:db8:0:0:9::"):
        with pytest.raises(Problem):
            tries.check(address)
    tries.check("2001:db8:0:1::1")
    tries.check("10.0.0.1")
    now += WITHIN
    tries.check("2001:db8::1")
    for n in range(ADDRESSES + 5):
        tries.wrong(f"host-{n}", (b"x",))
    assert len(tries._wrong) == ADDRESSES


async def test_the_key_is_secure_where_a_trusted_proxy_says_that_it_came_by_https(front):
    front.config.settings = replace(front.config.settings, trusted_proxies=("127.0.0.1",))
    for headers, secure in (
        ({"X-Forwarded-For": "10.0.0.9", "X-Forwarded-Proto": "https"}, True),
        ({"Forwarded": "for=10.0.0.9;proto=https"}, True),
        ({"X-Forwarded-For": "10.0.0.9", "X-Forwarded-Proto": "http"}, ""),
    ):
        assert (await entered(front, **headers))[0]["secure"] == secure
    front.config.settings = replace(front.config.settings, trusted_proxies=())
    assert (await entered(front, **{"X-Forwarded-Proto": "https"}))[0]["secure"] == ""


async def test_a_key_beside_a_cookie_counts_and_a_proxys_own_password_does_not(front):
    cookie, token = await entered(front)
    basic = {"Authorization": "Basic dXNlcjpwcm94eQ=="}
    headers = with_cookie(front, cookie.value) | basic
    assert (await front.client.get("/admin/status", headers=headers)).status == 200
    assert (await front.client.post(LOAD, headers=headers)).status == 403
    assert (await front.client.post(LOAD, headers=headers | {"X-Swapd-Token": token})).status == 202
    assert (
        await front.client.post(LOAD, headers=with_cookie(front, cookie.value, **{"X-Api-Key": KEY}))
    ).status == 202


@pytest.mark.parametrize(
    ("headers", "opens"),
    [({}, True), ({"X-Forwarded-For": "10.0.0.1"}, False), ({"Sec-Fetch-Site": "cross-site"}, False)],
)
async def test_without_a_key_the_page_is_open_to_this_machine(front, headers, opens):
    front.config.settings = Settings()
    seen = await (await front.client.get("/ui/session", headers=headers)).json()
    assert (seen["needs_key"], seen["open"], seen["token"]) == (False, opens, None)
    assert opens or seen["reason"]
    answer = await front.client.post("/ui/session", json={"key": "x"}, headers=headers)
    assert answer.status == (200 if opens else 403)


async def test_neither_cookie_nor_token_reach_an_engine(front):
    cookie, token = await entered(front)
    headers = with_cookie(front, cookie.value, **{"X-Swapd-Token": token})
    for method, path in (("GET", "/upstream/alpha/x"), ("POST", "/v1/chat/completions")):
        answer = await front.client.request(method, path, json={"model": "alpha"}, headers=headers)
        got = {name.lower() for name in (await answer.json())["headers"]}
        assert not got & {"cookie", "x-swapd-token", "authorization"}


# -- the playground ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings"])
async def test_the_playground_asks_as_the_operator_whatever_clients_there_are(front, path):
    front.config.settings = Settings(admin_key=KEY, clients=(ClientKey("ann", "key-of-ann"),))
    cookie, token = await entered(front)
    headers = with_cookie(front, cookie.value, **{"X-Swapd-Token": token})
    answer = await front.client.post(f"/ui/try{path}", json={"model": "hidden"}, headers=headers)
    assert (answer.status, (await answer.json())["path"]) == (200, path)
    assert front.gate.asked == [("hidden", "operator")]
    for refused in (with_cookie(front, cookie.value), {"X-Api-Key": "key-of-ann"}, {}):
        answer = await front.client.post(f"/ui/try{path}", json={"model": "alpha"}, headers=refused)
        assert answer.status in (401, 403)
    assert len(front.gate.asked) == 1


async def test_the_playground_streams_and_words_errors_as_any_other_door(hall):
    async def streams(request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\ndata: [DONE]\n\n")
        return response

    front = await hall(streams)
    sent = {"model": "alpha", "stream": True}
    answer = await front.client.post("/ui/try/v1/chat/completions", json=sent)
    assert await answer.text() == "data: 1\n\ndata: [DONE]\n\n"
    answer = await front.client.post("/ui/try/v1/chat/completions", json={"model": "<script>"})
    assert (answer.status, (await answer.json())["error"]["code"]) == (404, "model_not_found")


# -- the page's files --------------------------------------------------------------------------------------


@pytest.fixture
def files(monkeypatch, tmp_path):
    """A page of our own, whatever the true one is."""
    (tmp_path / "index.html").write_text("<p>the page</p>" * 50)
    (tmp_path / "main.js").write_text("1")
    (tmp_path / "notes.txt").write_text("not for the world")
    monkeypatch.setattr(dashboard, "FOLDER", tmp_path)
    dashboard._files.cache_clear()
    yield tmp_path
    dashboard._files.cache_clear()


async def test_the_page_is_for_everybody_under_a_strict_policy(front, files):
    for path, kind in (
        ("/ui", "text/html"),
        ("/ui/", "text/html"),
        ("/", "text/html"),
        ("/ui/main.js", "text/javascript"),
    ):
        answer = await front.client.get(path, headers={"Accept-Encoding": "identity", "Accept": "text/html"})
        assert (answer.status, answer.content_type, answer.charset) == (200, kind, "utf-8")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_a_file_that_has_not_changed_is_not_sent_again(front, files):
    whole = await front.client.get("/ui", headers={"Accept-Encoding": "gzip, br"})
    assert whole.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await whole.read()) == (files / "index.html").read_bytes()
    mark = whole.headers["ETag"]
    again = await front.client.get("/ui", headers={"Accept-Encoding": "gzip", "If-None-Match": f'"x", W/{mark}'})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", mark)
    other = await front.client.get("/ui", headers={"Accept-Encoding": "gzip;q=0", "If-None-Match": mark})
    assert (other.status, "Content-Encoding" in other.headers) == (200, False)
    head = await front.client.head("/ui", headers={"Accept-Encoding": "gzip"})
    assert (head.status, head.headers["Content-Length"]) == (200, whole.headers["Content-Length"])


@pytest.mark.parametrize(
    "path",
    ["notes.txt", "..", "../app.py", "%2e%2e/app.py", "..%2fapp.py", "%2fetc%2fpasswd", "main.js%00", "x/y"],
)
async def test_nothing_else_is_served(front, files, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(f"GET /ui/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"import" not in answer and b"root:" not in answer
    writer.close()
    await writer.wait_closed()


async def test_a_browser_at_the_root_is_sent_to_the_page_and_ollamas_clients_are_not(front):
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = await front.client.get("/", headers=browser, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "ui")
    assert await (await front.client.get("/")).text() == "Ollama is running"


async def test_the_true_page_is_there(front):
    answer = await front.client.get("/ui", headers={"Accept-Encoding": "identity"})
    assert answer.status == 200
    assert "<!doctype html>" in (await answer.text()).lower()


async def test_what_is_the_operators_alone_is_kept_by_no_cache_and_taken_for_no_page(front):
    looks = ("status", "live", "config", "logs/alpha", "explain/alpha", "events?follow=0")
    asks = [("GET", f"/admin/{each}") for each in looks]
    asks += [("GET", "/ui/session"), ("POST", LOAD), ("POST", "/admin/unload")]
    for method, path in asks:
        async with front.client.request(method, path, headers={"Authorization": f"Bearer {KEY}"}) as answer:
            assert answer.status in (200, 202), path
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_who_says_no_host_has_nothing_looked_up(front, monkeypatch):
    def asked() -> str:
        raise AssertionError("that may take seconds, and all would wait")

    monkeypatch.setattr("socket.getfqdn", asked)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(b"DELETE /ui/session HTTP/1.0\r\nOrigin: http://x\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.0 403 ")
    writer.close()
    await writer.wait_closed()
