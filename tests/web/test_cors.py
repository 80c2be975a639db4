"""Web pages of others: those that may ask, and those that borrow a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.settings import ClientKey
from swapd.web.surface import HOT
from tests.web.raw import LAST, calling, chunked, plain, post, replies

CHAT_UI = "https://chat.home.arpa"
EVIL = "https://evil.example"
MODEL = {"model": "alpha"}
ASKS = {"Origin": CHAT_UI, "Access-Control-Request-Method": "POST"}


async def echo(request: web.Request) -> web.Response:
    return web.json_response({}, headers={"X-Request-ID": "the engine's", "Access-Control-Allow-Origin": "*"})


@pytest.fixture
async def front(hall):
    front = await hall(echo)
    allow(front, CHAT_UI)
    return front


def allow(front, *origins, **more):
    front.config.settings = replace(front.config.settings, origins=origins, **more)


def names(value):
    return {name.strip().lower() for name in value.split(",")}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (HOT[0], {"post"}),
        ("/v1/messages", {"post"}),
        ("/v1/models", {"get", "head"}),
        ("/models/load", {"get", "head", "post"}),  # of a model called `load`
        ("/upstream/alpha/x", {"delete", "get", "head", "patch", "post", "put"}),
        ("/health", {"get", "head"}),
    ],
)
async def test_a_page_is_told_that_it_may_ask_without_a_key(front, path, methods):
    allow(front, CHAT_UI, clients=(ClientKey("ada", "ada-secret"),))
    asked = "authorization,content-type,x-stainless-os"
    more = {"Access-Control-Request-Headers": asked, "Access-Control-Request-Private-Network": "true"}
    answer = await front.client.options(path, headers=ASKS | more)
    assert (answer.status, await answer.read()) == (204, b"")
    told = answer.headers
    assert told.getall("Access-Control-Allow-Origin") == [CHAT_UI]
    assert told["Vary"] == "Origin"
    assert names(told["Access-Control-Allow-Methods"]) == methods
    assert told["Access-Control-Allow-Headers"] == asked
    assert told["Access-Control-Allow-Private-Network"] == "true"
    assert int(told["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in told
    assert told["X-Request-ID"]
    assert front.gate.asked == []


async def test_odd_words_of_a_page_are_not_repeated_to_it(front):
    answer = await front.client.options(HOT[0], headers=ASKS | {"Access-Control-Request-Headers": "a b(c)"})
    assert answer.status == 204
    assert "Access-Control-Allow-Headers" not in answer.headers
    assert "Access-Control-Allow-Private-Network" not in answer.headers


@pytest.mark.parametrize("origin", [EVIL, "http://chat.home.arpa", f"{CHAT_UI}:444", "null"])
@pytest.mark.parametrize("path", [HOT[0], "/upstream/alpha/x"])
async def test_another_page_is_told_that_it_may_not_and_the_operator_what_to_do(front, path, origin):
    answer = await front.client.options(path, headers=ASKS | {"Origin": origin})
    error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (403, "not_permitted")
    assert f"'{origin}'" in error["message"]
    assert "cors.origins" in error["message"]
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/admin/status", 405)])
async def test_of_what_is_not_there_or_the_operators_no_page_hears_anything(front, path, status):
    answer = await front.client.options(path, headers=ASKS)
    assert answer.status == status
    assert ("Access-Control-Allow-Origin" in answer.headers) == (status == 404)
    assert "Access-Control-Allow-Methods" not in answer.headers


async def test_a_page_may_read_answers_errors_and_their_heads(front):
    for path, body, status in [(HOT[0], MODEL, 200), (HOT[0], {}, 400), ("/nowhere", MODEL, 404)]:
        answer = await front.client.post(path, json=body, headers={"Origin": CHAT_UI})
        assert answer.status == status
        assert answer.headers.getall("Access-Control-Allow-Origin") == [CHAT_UI]
        exposed = names(answer.headers["Access-Control-Expose-Headers"])
        assert exposed >= {"x-request-id", "retry-after", "x-swapd-model", "x-ratelimit-remaining-tokens"}


async def test_streams_too_and_who_is_no_page_hears_nothing_of_it(raw_hall):
    stream = chunked(b"data: 1\n\n", kind=b"text/event-stream") + LAST
    front, _ = await raw_hall(replies(stream))
    allow(front, CHAT_UI)
    async with calling(front.port) as caller:
        for line, told in ((b"Origin: " + CHAT_UI.encode(), CHAT_UI), (b"A: b", "")):
            await caller.send(post(b'{"model": "alpha", "stream": true}', line))
            answer = await caller.answer()
            assert (answer.status, answer.get("Access-Control-Allow-Origin")) == (200, told)


async def test_a_star_is_for_all_pages(front):
    allow(front, "*")
    answer = await front.client.post(HOT[0], json=MODEL, headers={"Origin": EVIL})
    assert (answer.status, answer.headers.getall("Access-Control-Allow-Origin")) == (200, ["*"])
    assert (await front.client.options(HOT[0], headers=ASKS | {"Origin": "null"})).status == 204


async def test_no_page_ever_reads_what_is_the_operators(front):
    allow(front, "*")
    answer = await front.client.get("/admin/status", headers={"Origin": EVIL})
    assert "Access-Control-Allow-Origin" not in answer.headers


FOREIGN = [
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "HTTPS://EVIL.example"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_where_no_key_is_needed_a_foreign_page_uses_no_engine(front, headers):
    asked = [
        front.client.post(HOT[0], json=MODEL, headers=headers),
        front.client.post(HOT[0], data=b'{"model": "alpha"}', headers=headers | {"Content-Type": "text/plain"}),
        front.client.post("/v1/messages", json=MODEL, headers=headers),
        front.client.get("/slots?model=alpha", headers=headers),
        front.client.get("/props?model=alpha", headers=headers),
        front.client.get("/upstream/alpha/x", headers=headers),
        front.client.get("/v1/models", headers=headers),
    ]
    for asking in asked:
        answer = await asking
        assert (answer.status, b"cors.origins" in await answer.read()) == (403, True)
    assert front.gate.asked == []


async def test_with_keys_the_key_decides_and_not_the_page(front):
    allow(front, clients=(ClientKey("ada", "ada-secret"),))
    headers = {"Origin": EVIL, "Authorization": "Bearer ada-secret"}
    assert (await front.client.post(HOT[0], json=MODEL, headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": CHAT_UI},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://tauri.localhost"},
        {"Origin": "https://[::1]:8443"},
        {"Origin": "chrome-extension://abcdef"},
        {"Origin": "vscode-webview://0a"},
        {"Origin": "tauri://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://x:1", "Host": "X:1"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Mode": "cors"},
    ],
)
async def test_friends_are_let_in(front, headers):
    assert (await front.client.post(HOT[0], json=MODEL, headers=headers)).status == 200


async def test_a_link_that_was_followed_is_no_page_that_asks(front):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await front.client.get("/upstream/alpha/", headers=headers)).status == 200
    assert (await front.client.post("/upstream/alpha/", headers=headers)).status == 403


async def test_a_page_of_this_machine_is_foreign_to_another(front):
    headers = {"Origin": "http://localhost:3000", "Host": "x:9292"}
    assert (await front.client.post(HOT[0], json=MODEL, headers=headers)).status == 403


async def test_without_a_word_in_the_config_no_page_is_told_that_it_may(raw_hall):
    front, engine = await raw_hall(replies(plain(b"{}")))
    assert (await front.client.options(HOT[0], headers=ASKS)).status == 403
    async with calling(front.port) as caller:
        await caller.send(post(b'{"model": "alpha"}', b"Origin: http://127.0.0.1:1", b"Host: 127.0.0.1:2")
                          .replace(b"Host: x\r\n", b""))  # fmt: skip
        answer = await caller.answer()
        assert (answer.status, answer.get("Access-Control-Allow-Origin")) == (200, "")
    assert len(engine.heard) == 1
