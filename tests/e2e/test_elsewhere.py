"""A daemon before servers that others run: fakes of each kind, made from its documentation."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.fakes.kinds import CERTIFICATE, DOCUMENTED, Fake, served
from tests.processes import fake, until

pytestmark = pytest.mark.e2e
CLIENT = "sk-of-the-client"
GO = [{"role": "user", "content": "go"}]


def model(kind: str, url: str, *keys: str, key: str | None = None) -> str:
    words = [f"engine: {kind}", f"url: '{url}/v1'", f"api_key: {key or key_of(kind)}", *keys]
    return f"  {kind}: {{{', '.join(words)}}}\n"


def key_of(kind: str) -> str:
    return f"k-of-{kind}"


async def test_each_kind_is_asked_with_its_own_key_and_all_stay_beside_an_engine_of_ours(start, connect):
    fakes = {kind: Fake(kind, key_of(kind)) for kind in DOCUMENTED}
    async with AsyncExitStack() as stack:
        urls = {kind: await stack.enter_async_context(served(one)) for kind, one in fakes.items()}
        daemon = start(
            f"listen: 127.0.0.1:0\nbudget: {{engines: 1}}\nclients: {{me: {{key: {CLIENT}}}}}\nmodels:\n"
            + f'  ours: {{command: "{fake()}"}}\n'
            + "".join(model(kind, url, "aliases: [also]" if kind == "vllm" else "") for kind, url in urls.items())
        )
        client = await connect(daemon)
        client.http.headers["Authorization"] = f"Bearer {CLIENT}"
        assert (await client.text("ours")).startswith(" ours")
        for kind in fakes:
            assert await client.text(kind) == f"{kind} says {kind}"
        assert await client.text("also") == "vllm says vllm"
        async with client.http.post("/tokenize", json={"model": "localai", "content": "x"}) as answer:
            assert answer.status == 200
        shown = {entry["name"]: entry for entry in (await client.status())["models"]}
        listed = (await (await client.http.get("/v1/models")).json())["data"]

    assert {name: entry["state"] for name, entry in shown.items()} == dict.fromkeys(shown, "ready")
    assert [(shown[kind]["endpoint"], shown[kind]["pid"]) for kind in urls] == [(u, None) for u in urls.values()]
    assert {entry["status"]["value"] for entry in listed} == {"loaded"}
    assert len(fakes["localai"].asked("/v1/tokenize")) == 1
    for kind, one in fakes.items():
        assert one.asked("/v1/chat/completions")[0][2]["model"] == kind
        assert {headers["authorization"] for _, headers, _ in one.heard} == {f"Bearer {key_of(kind)}"}
        assert CLIENT not in repr(one.heard)
    assert not [line for line in daemon.lines if "k-of-" in line or CLIENT in line]


async def test_a_key_that_is_refused_is_told_to_the_client_and_what_it_cannot_do_is_never_asked(start, connect):
    desk, tgi = Fake("lmstudio", "another"), Fake("tgi")
    async with served(desk) as one, served(tgi) as two:
        daemon = start(f"listen: 127.0.0.1:0\nmodels:\n{model('lmstudio', one)}{model('tgi', two)}")
        client = await connect(daemon)
        async with client.chat("lmstudio") as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (502, "engine_start_failed")
        async with client.chat("lmstudio") as answer:
            again = (await answer.json())["error"]
            assert (answer.status, again["code"]) == (503, "engine_unavailable")
        async with client.http.post("/v1/embeddings", json={"model": "tgi", "input": "x"}) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (501, "unsupported_capability")
    for told in (error["message"], again["message"]):
        assert f"{one}/v1/models is answered with 401: check 'api_key'" in told
        assert key_of("lmstudio") not in told
    assert desk.asked("/v1/chat/completions") == []
    assert tgi.heard == []


async def test_of_a_server_that_does_not_answer_the_client_is_told_why(start, connect):
    off = model("lmstudio", "http://127.0.0.1:9", "start_timeout: 300ms")
    client = await connect(start(f"listen: 127.0.0.1:0\nmodels:\n{off}"))
    async with client.chat("lmstudio") as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["code"]) == (504, "engine_timeout")
    assert error["message"] == (
        "cannot start the engine of model 'lmstudio': not ready after 0.3 s (start_timeout): "
        "http://127.0.0.1:9 does not answer: Connection refused"
    )


async def test_a_server_over_tls_is_asked_if_the_machine_trusts_it_and_another_key_counts_at_once(start, connect):
    paid = Fake("openai", "k-first")
    async with served(paid, tls=True) as url:
        daemon = start(
            f"listen: 127.0.0.1:0\nmodels:\n{model('openai', url, key='k-first')}", SSL_CERT_FILE=str(CERTIFICATE)
        )
        client = await connect(daemon)
        assert await client.text("openai") == "openai says openai"
        run = (await client.model("openai"))["run"]
        paid.key = "k-second"
        daemon.config.write_text(daemon.config.read_text().replace("k-first", paid.key))

        async def is_asked_anew():
            entry = await client.model("openai")
            return entry["state"] == "cold" or (entry["run"] or 0) > run

        await until(is_asked_anew)
        assert await client.text("openai") == "openai says openai"
    assert {headers["authorization"] for _, headers, _ in paid.heard} == {"Bearer k-first", "Bearer k-second"}
    assert not [line for line in daemon.lines if "k-first" in line or "k-second" in line]


async def test_a_server_that_went_away_is_told_and_asked_again_when_it_is_back(start, connect):
    desk = Fake("lmstudio", key_of("lmstudio"))
    async with served(desk) as url:
        quick = model("lmstudio", url, "start_timeout: 1s", "retry: {backoff: 10ms}")
        client = await connect(start(f"listen: 127.0.0.1:0\nmodels:\n{quick}"))
        assert await client.text("lmstudio") == "lmstudio says lmstudio"
    async with client.chat("lmstudio") as answer:
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) in {(502, "engine_died"), (504, "engine_timeout")}
    async with served(desk, int(url.rpartition(":")[2])):
        async with client.http.post("/admin/models/lmstudio/load") as answer:
            assert answer.status == 200
        assert await client.text("lmstudio") == "lmstudio says lmstudio"
