"""Which model, which body, which engine."""

from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from aiohttp import web
from yarl import URL

from swapd.core.engine import RunId
from swapd.core.events import EngineReady, LoadWished
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.spec import Launch
from swapd.web.surface import ALSO, HOT, OWN, POSTED, SHOWN


async def echo(request: web.Request) -> web.Response:
    body = (await request.read()).decode()
    return web.json_response({"path": request.path_qs, "method": request.method, "body": body})


async def error_of(answer):
    return (await answer.json())["error"]


@pytest.mark.parametrize("path", POSTED)
async def test_every_spelling_reaches_the_engine_at_its_full_path(hall, path):
    front = await hall(echo)
    answer = await front.client.post(path, json={"model": "alpha"})
    assert (await answer.json())["path"] == ALSO.get(path, path)


def up(front, model):
    front.gate.hears(LoadWished(model), EngineReady(RunId(model, 1), front.gate.endpoint))


@pytest.mark.parametrize("path", [path for path in POSTED if path not in OWN])
async def test_a_client_that_names_no_model_is_told_so_in_its_own_dialect(hall, path):
    front = await hall(echo)
    up(front, "alpha")
    answer = await front.client.post(path, json={})
    told = await answer.json()
    assert answer.status == 400
    if "/messages" in path:
        assert set(told) == {"type", "error"}
        assert told["error"]["type"] == "invalid_request_error"
    else:
        assert told["error"]["code"] == "model_required"
    assert told["error"]["message"].startswith("cannot choose a model: ")
    assert front.gate.asked == []


@pytest.mark.parametrize(
    ("method", "path"), [*(("POST", path) for path in OWN), *(("GET", path) for path in SHOWN)]
)
async def test_to_llama_servers_own_routes_the_only_engine_that_is_up_will_do(hall, method, path):
    front = await hall(echo)
    body = {"json": {}} if method == "POST" else {}
    assert (await front.client.request(method, path, **body)).status == 400
    up(front, "alpha")
    answer = await front.client.request(method, path, **body)
    assert (answer.status, (await answer.json())["path"]) == (200, path)
    assert (await front.client.request(method, path, params={"model": "org/beta"}, **body)).status == 200
    up(front, "org/beta")
    assert (await front.client.request(method, path, **body)).status == 400
    assert [name for name, _ in front.gate.asked] == ["alpha", "org/beta"]


async def test_the_clients_of_anthropic_read_a_refusal_in_their_own_words(hall):
    front = await hall(echo)
    front.gate.refusal = Refusal(Reason.UNKNOWN_MODEL, "x")
    answer = await front.client.post("/v1/messages?beta=true", json={"model": "x"})
    assert (answer.status, await answer.json()) == (
        404,
        {"type": "error", "error": {"type": "not_found_error", "message": "cannot find model 'x'"}},
    )
    assert (await (await front.client.get("/messages")).json())["error"]["type"] == "invalid_request_error"


async def test_json_is_accepted_whatever_the_content_type_says(hall):
    front = await hall(echo)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await front.client.post(HOT[0], data=b'{"model": "alpha"}', headers=headers)
    assert answer.status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": 7}', b'"x"', b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_a_400_and_disturbs_nobody(hall, body):
    front = await hall(echo)
    answer = await front.client.post(HOT[0], data=body)
    assert answer.status == 400
    assert (await error_of(answer))["code"] == "bad_request"
    assert front.gate.asked == []


NOBODYS = ["x" * 201, "a\nb", "a\x1b[2J", "\u202ea", "a\x00", "\u00a0" * 300]


@pytest.mark.parametrize("name", NOBODYS)
@pytest.mark.parametrize("door", ["body", "query", "upstream"])
async def test_a_name_that_no_model_could_have_is_refused_before_anybody_hears_of_it(door, name, hall):
    front = await hall(echo)
    if door == "upstream":
        answer = await front.client.get(URL(f"/upstream/{quote(name, safe='')}/props", encoded=True))
    elif door == "query":
        answer = await front.client.post(HOT[0], params={"model": name}, json={})
    else:
        answer = await front.client.post(HOT[0], json={"model": name})
    error = await error_of(answer)
    assert (answer.status, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert error["message"].startswith("cannot find model '")
    assert error["message"].isprintable()
    assert name[:61] not in error["message"]
    assert len(error["message"]) < 60 * len(r"\u00a0") + 100
    assert front.gate.asked == []
    assert front.gate.posted == []


async def test_a_name_that_is_just_short_enough_is_asked_for(hall):
    front = await hall(echo)
    front.gate.refusal = Refusal(Reason.UNKNOWN_MODEL, "x")
    for name in ("x" * 200, "模型 ü"):
        assert (await front.client.post(HOT[0], json={"model": name})).status == 404
        assert front.gate.asked[-1][0] == name


async def test_a_request_without_a_model_is_a_400(hall):
    front = await hall(echo)
    answer = await front.client.post(HOT[0], json={"messages": []})
    assert answer.status == 400
    assert await error_of(answer) == {
        "message": "cannot choose a model: the request names none and the config has no default_model",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_required",
    }


async def test_the_model_may_stand_in_the_query(hall):
    front = await hall(echo)
    assert (await front.client.post(HOT[0] + "?model=alpha", json={})).status == 200
    assert front.gate.asked[0][0] == "alpha"


async def test_an_alias_edits_the_request_and_the_model_itself_does_not(hall):
    front = await hall(echo)
    body = {"model": "alpha:cold", "seed": 1, "temperature": 0.9}
    answer = await front.client.post(HOT[0], json=body)
    assert json.loads((await answer.json())["body"]) == {"model": "alpha:cold", "temperature": 0}


async def test_an_upstream_model_and_defaults_are_put_in(hall):
    front = await hall(echo)
    answer = await front.client.post(HOT[0], json={"model": "org/beta", "n": 1})
    assert json.loads((await answer.json())["body"]) == {"top_k": 5, "model": "Org/Real", "n": 1}


async def test_an_edit_leaves_every_other_value_the_bytes_that_it_was(hall):
    front = await hall(echo)
    huge = "9" * 5000
    body = f'{{"model": "alpha:cold", "a": 1e999, "b": {huge}, "c": {{"x":  [1.0, "\\u00e9"]}}}}'.encode()
    answer = await front.client.post(HOT[0], data=body)
    text = (await answer.json())["body"]
    assert '"a":1e999' in text
    assert huge in text
    assert '{"x":  [1.0, "\\u00e9"]}' in text


async def test_a_compressed_body_is_undone_for_the_engine(hall):
    front = await hall(echo)
    packed = gzip.compress(b'{"model": "alpha"}')
    answer = await front.client.post(HOT[0], data=packed, headers={"Content-Encoding": "gzip"})
    assert (await answer.json())["body"] == '{"model": "alpha"}'


async def test_a_compressed_bomb_is_a_413(hall):
    front = await hall(echo)
    front.limit(body=10_000)
    packed = gzip.compress(b" " * 1_000_000)
    answer = await front.client.post(HOT[0], data=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status == 413


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_above_the_limit_is_a_413(hall, chunked):
    front = await hall(echo)
    front.limit(body=1000)

    async def pieces():
        for _ in range(50):
            yield b" " * 100

    answer = await front.client.post(HOT[0], data=pieces() if chunked else b" " * 5000)
    assert answer.status == 413
    assert (await error_of(answer))["code"] == "request_too_large"
    assert front.gate.asked == []


async def test_upstream_passes_any_path_method_and_query_through(hall):
    front = await hall(echo)
    answer = await front.client.put("/upstream/alpha/a%2Fb//c?x=%20y", data=b"zzz")
    assert await answer.json() == {"path": "/a%2Fb//c?x=%20y", "method": "PUT", "body": "zzz"}


@pytest.mark.parametrize("name", ["org/beta", "org%2Fbeta"])
async def test_upstream_knows_names_with_slashes(hall, name):
    front = await hall(echo)
    answer = await front.client.get(f"/upstream/{name}/props")
    assert (await answer.json())["path"] == "/props"
    assert front.gate.asked[0][0] == "org/beta"


async def test_an_unknown_path_is_a_404_and_a_wrong_method_a_405(hall):
    front = await hall(echo)
    answer = await front.client.get("/v0/nothing")
    assert (answer.status, (await error_of(answer))["code"]) == (404, "not_found")
    answer = await front.client.get(HOT[0])
    assert (answer.status, (await error_of(answer))["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"


async def test_a_refusal_becomes_its_status_code_and_retry_after(hall):
    front = await hall(echo)
    end = Exit(code=1, log=("error: invalid argument: --nope",), hint="check the flags")
    front.gate.refusal = Refusal(Reason.START_FAILED, "alpha", end)
    answer = await front.client.post(HOT[0], json={"model": "alpha"})
    error = await error_of(answer)
    assert (answer.status, error["code"], error["type"]) == (502, "engine_start_failed", "engine_error")
    assert "exited with code 1" in error["message"]
    assert "--nope" in error["message"]
    assert "check the flags" in error["message"]
    front.gate.refusal = Refusal(Reason.QUEUE_FULL, "alpha", retry_after=2.2, detail="256 wait")
    answer = await front.client.post(HOT[0], json={"model": "alpha"})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3")


async def test_a_start_that_was_given_up_shows_what_the_engine_wrote(hall):
    front = await hall(echo)
    front.gate.refusal = Refusal(Reason.START_TIMEOUT, "alpha", detail="10 s")
    error = await error_of(await front.client.post(HOT[0], json={"model": "alpha"}))
    assert error["message"] == (
        "cannot start the engine of model 'alpha': not ready after 10 s (start_timeout): it is being stopped\n"
        "Last lines of the engine:\none\ntwo\nthree"
    )


async def test_a_base_url_that_adds_v1_once_more_is_told_so(hall):
    front = await hall(echo)
    answer = await front.client.post("/v1" + HOT[0], json={"model": "alpha"})
    told = f"cannot find /v1{HOT[0]}: swapd has no such path; '/v1' stands there twice"
    assert (answer.status, (await error_of(answer))["message"]) == (404, told)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b + b])
async def test_a_compressed_body_that_is_not_whole_is_a_400(hall, damage):
    front = await hall(echo)
    packed = damage(gzip.compress(b'{"model": "alpha"}'))
    answer = await front.client.post(HOT[0], data=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400


async def test_nobody_is_invited_to_send_what_will_be_refused(hall):
    front = await hall(echo)
    front.limit(body=1000)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    head = b"POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % (HOT[0].encode(), 5000))
    assert b"413" in await reader.readline()
    writer.close()
    await writer.wait_closed()
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(head % (HOT[0].encode(), 18))
    assert b"100 Continue" in await reader.readline()
    await reader.readline()
    writer.write(b'{"model": "alpha"}')
    assert b"200" in await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("body", "kept"), [(b'{"stream": true}', 0), (b'{"stream": false}', 1), (b"x", 1)])
async def test_upstream_knows_a_stream_by_what_the_body_asks(hall, body, kept):
    working = asyncio.Event()

    async def engine(request):
        working.set()
        await asyncio.Event().wait()

    front = await hall(engine)
    asking = asyncio.ensure_future(front.client.post("/upstream/alpha/completion", data=body))
    await working.wait()
    asking.cancel()
    async with asyncio.timeout(1):
        await front.gate.released.wait()
    assert len(front.gate.kept) == kept
    for keeper in front.gate.kept:
        keeper.close()


@pytest.mark.parametrize("lane", [{}, {"TE": "trailers"}], ids=["express", "aiohttp"])
async def test_an_engine_is_not_told_who_asks_from_where_and_on_whose_account(hall, lane):
    heard = []

    async def engine(request):
        heard.append(request.headers)
        return web.json_response({})

    front = await hall(engine)
    told = {
        "X-Forwarded-For": "10.0.0.1",
        "Forwarded": "for=10.0.0.1",
        "OpenAI-Organization": "org-1",
        "Referer": "x",
    }
    await front.client.post(HOT[0], json={"model": "alpha"}, headers={**told, **lane, "X-Mine": "yes"})
    assert not told.keys() & heard[0].keys()
    assert heard[0]["X-Mine"] == "yes"


async def test_a_page_of_a_remote_is_kept_apart_from_ours_and_one_of_an_engine_here_is_not(hall):
    async def page(request):
        return web.Response(text="<script>fetch('/ui/session')</script>", content_type="text/html")

    front = await hall(page)
    models = dict(front.config.catalog.models)
    models["hidden"] = replace(models["hidden"], launch=Launch((), url="http://127.0.0.1:1"))
    front.config.catalog = replace(front.config.catalog, models=models)
    for path in ("/upstream/hidden/", "/slots?model=hidden"):
        async with front.client.get(path) as answer:
            assert answer.headers["Content-Security-Policy"] == "sandbox allow-scripts allow-forms"
    async with front.client.get("/upstream/alpha/") as answer:
        assert "Content-Security-Policy" not in answer.headers


async def test_where_a_remote_redirects_to_nobody_is_sent(hall):
    async def engine(request):
        raise web.HTTPTemporaryRedirect("http://elsewhere.example/")

    front = await hall(engine)
    models = front.gate.catalog.models
    models["hidden"] = replace(models["hidden"], launch=Launch((), url="http://127.0.0.1:1"))
    async with front.client.post(HOT[0], json={"model": "hidden"}) as answer:
        assert (answer.status, answer.headers.get("Location")) == (502, None)
        assert "it answers with 307: mend the model's 'url'" in (await answer.json())["error"]["message"]
    async with front.client.get("/upstream/hidden/ui", allow_redirects=False) as answer:
        assert answer.status == 307
