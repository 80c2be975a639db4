"""Kinds of engines and those that somebody else runs: what the keys come to, and what is wrong with them."""

from __future__ import annotations

import pytest

from swapd.config import changes, load
from swapd.core.kinds import KINDS
from swapd.core.spec import Launch, Stay
from tests.config.conftest import ENVIRON

RAW = "command: 'run --port ${port}'"
REMOTE = "url: 'http://h:1234/v1'"
BESIDE_URL = "has no effect beside 'url': swapd neither starts nor stops what somebody else runs; remove it"

BAD = [
    ("path: /x, engine: vllm",
     "32: models.a.engine: 'vllm' cannot be started from a 'path': give the 'command' that starts it, or its "
     "'url'"),
    ("command: 'x ${port}', engine: vlm",
     "44: models.a.engine: 'vlm' is not one of llama.cpp, vllm, sglang, tgi, ollama, localai, lmstudio, openai "
     "(did you mean 'vllm'?)"),
    ("path: /x, url: 'http://h'",
     "29: models.a.url: stands beside 'path': a model has one or the other, remove one"),
    ("url: 'http://h', command: 'x ${port}'",
     "19: models.a.url: stands beside 'command': a model has one or the other, remove one"),
    ("url: 'h:1234'",
     "19: models.a.url: 'h:1234' is no address of a server: write it like http://192.168.1.20:1234 or "
     "https://host/v1"),
    ("url: 'http://ada:s3cret@h'",
     "19: models.a.url: holds a user or a password: leave them out, and give the key as 'api_key'"),
    ("url: 'http://h?key=s3cret'",
     "19: models.a.url: holds a query or a fragment: leave it out, and give a key as 'api_key'"),
    ("url: 'http://h', gpu_layers: 9", f"31: models.a.gpu_layers: {BESIDE_URL}"),
    ("url: 'http://h', env: {A: 1}", f"31: models.a.env: {BESIDE_URL}"),
    ("url: 'http://h', stop: x", f"31: models.a.stop: {BESIDE_URL}"),
    ("url: 'http://h', needs: {}", f"31: models.a.needs: {BESIDE_URL}"),
    ("url: 'http://h', ttl: 5m", f"31: models.a.ttl: {BESIDE_URL}"),
    ("url: 'http://h', api_key: ''", "40: models.a.api_key: is empty: give it a value or remove the key"),
    ("url: 'http://h', api_key: 's3cret two'",
     "40: models.a.api_key: holds a blank, a control character or a letter beyond ASCII: give the bare key"),
    ("url: 'http://h', api_key: \"s3cret\\r\\nX: y\"",
     "40: models.a.api_key: holds a blank, a control character or a letter beyond ASCII: give the bare key"),
    ("url: 'http://h', api_key: [s3cret]", "40: models.a.api_key: must be a single value, not a list"),
    ("url: 'http://h', capabilities: [chatt]",
     "46: models.a.capabilities[0]: 'chatt' is not one of chat, completions, embeddings, rerank, responses, "
     "messages, moderations, audio, images, tokenize, tools, native (did you mean 'chat'?)"),
    ("url: 'http://h', capabilities: []",
     "45: models.a.capabilities: names nothing: remove it, or name what may be asked"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD, ids=[told for _, told in BAD])
def test_what_does_not_go_together_is_told_and_no_secret_with_it(problems, text, told):
    found = problems(f"models: {{a: {{{text}}}}}")
    assert found == [f"swapd.yaml:1:{told}"]
    assert "s3cret" not in "".join(found)


def test_a_key_is_no_default_and_so_no_model_inherits_it(problems):
    told = "cannot be a default: give it in each model"
    assert problems("defaults: {api_key: s3cret, url: 'http://h'}\nmodels: {a: {path: /x}}") == [
        f"swapd.yaml:1:12: defaults.api_key: {told}",
        f"swapd.yaml:1:29: defaults.url: {told}",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_remote_engine_is_what_its_kind_is_and_takes_nothing(spec, kind):
    made = spec(f"budget: {{engines: 1, ram: 1GiB}}\nmodels: {{m: {{engine: {kind}, {REMOTE}, api_key: k-1}}}}")
    row = KINDS[kind]
    assert made.remote
    assert made.launch == Launch(
        (), health=row.health, loading=row.loading, url="http://h:1234", key="Authorization: Bearer k-1"
    )
    terms = made.terms
    assert (terms.cost, terms.concurrency, terms.stay, terms.bounds.start) == ({}, 16, Stay(ttl=None), 30)
    assert (terms.service.kind, terms.service.abilities, terms.service.upstream_model) == (kind, row.can, "m")
    assert "k-1" not in repr(made)


def test_what_defaults_say_of_processes_is_no_matter_to_a_remote_engine(spec):
    made = spec(
        "defaults: {gpu_layers: 9, env: {A: 1}, ttl: 5m, stop_grace: 1s, needs: {}, priority: 3, "
        "start_timeout: 2s}\n"
        f"models: {{m: {{{REMOTE}, upstream_model: u, concurrency: 2, preload: true}}}}"
    )
    assert (made.launch.argv, made.launch.env) == ((), ())
    assert (made.terms.priority, made.terms.bounds.start, made.terms.concurrency) == (3, 2, 2)
    assert made.terms.stay == Stay(ttl=None, preload=True)
    assert made.terms.service.upstream_model == "u"


@pytest.mark.parametrize("kind", KINDS)
def test_a_started_engine_is_asked_and_stopped_as_its_kind_wants(model, kind):
    made = model(f"{RAW}, engine: {kind}")
    row = KINDS[kind]
    assert (made.launch.health, made.launch.loading, made.terms.bounds.stop) == (
        row.health,
        row.loading,
        row.grace,
    )
    assert made.terms.service.upstream_model == (None if kind == "llama.cpp" else "m")
    assert (made.terms.concurrency, made.remote) == (4, False)
    own = model(f"{RAW}, engine: {kind}, health: /mine, stop_grace: 1s, upstream_model: u")
    assert (own.launch.health, own.terms.bounds.stop, own.terms.service.upstream_model) == ("/mine", 1, "u")


TALKS = KINDS["llama.cpp"].can - {"embeddings", "rerank"}
EMBEDS, RERANKS = {"embeddings", "tokenize", "native"}, {"rerank", "tokenize", "native"}


@pytest.mark.parametrize(
    ("keys", "can"),
    [
        ("path: /x", TALKS),
        ("path: /x, embeddings: true", EMBEDS),
        ("path: /x, reranking: true", RERANKS),
        ("path: /x, args: [--pooling, rank, --embedding]", RERANKS),
        ("path: /x, env: {LLAMA_ARG_EMBEDDINGS: 1}", EMBEDS),
        ("command: '/opt/llama-server-cuda -m x --port ${port}'", TALKS),
        ("command: '${binary} -m x --port ${port} --embeddings'", EMBEDS),
        ("command: 'llama-server --models-dir /x --port ${port}'", None),
        ("command: 'docker run -p ${port}:80 llama.cpp:server'", None),
        ("command: 'docker run -p ${port}:80 llama.cpp:server', engine: llama.cpp", TALKS),
        ("command: 'docker run -p ${port}:80 vllm', engine: vllm", KINDS["vllm"].can),
        (REMOTE, None),
        (f"{REMOTE}, engine: llama.cpp", KINDS["llama.cpp"].can),
        (f"{REMOTE}, engine: tgi, capabilities: [chat, tools]", {"chat", "tools"}),
        ("path: /x, capabilities: [embeddings, chat]", {"embeddings", "chat"}),
    ],
)
def test_what_a_model_can_do_is_what_is_known_of_it_and_never_guessed(model, keys, can):
    assert model(keys).terms.service.abilities == can


def test_capabilities_that_the_flags_leave_out_are_warned_of(loaded):
    found = loaded(
        """models:
  a: {path: /x, capabilities: [embeddings, chat]}
  b: {path: /x, capabilities: [embeddings], embeddings: true}
  c: {path: /x, capabilities: [chat, rerank], reranking: true}
  d: {url: "http://h", capabilities: [embeddings]}
  e: {command: "docker run -p ${port}:80 x", capabilities: [rerank]}
"""
    )
    told = [str(warning).split(":", 3)[3] for warning in found.warnings if "leave that out" in str(warning)]
    says = "and its flags leave that out"
    assert told == [
        f" models.a.capabilities: says 'embeddings', {says}: say 'embeddings: true' (--embeddings)",
        f" models.c.capabilities: says 'chat', {says}: remove what makes it embed or rerank",
    ]


def test_a_key_may_come_from_the_environment(loaded):
    found = loaded('models: {m: {url: "http://h", api_key: "${env.DESK_KEY}"}}', environ={"DESK_KEY": "k-1"})
    assert found.catalog.models["m"].launch.key == "Authorization: Bearer k-1"


def test_another_key_is_another_launch_so_the_server_is_asked_anew(loaded):
    old, new = (loaded(f"models: {{m: {{{REMOTE}, api_key: {key}}}}}") for key in ("k-1", "k-2"))
    change = changes(old.catalog, new.catalog, old.settings, new.settings)
    assert (change.relaunched, change.retuned) == (("m",), ())
    assert "k-" not in change.words()


def test_an_edit_that_only_says_the_kind_counts_too(tmp_path):
    path = tmp_path / "swapd.yaml"
    path.write_text(f"models: {{m: {{{RAW}}}}}")
    first = load(path, ENVIRON)
    path.write_text(f"models: {{m: {{{RAW}, engine: llama.cpp}}}}")
    second = load(path, ENVIRON, past=first.past)
    assert first.catalog.models["m"].terms.service.abilities is None
    assert second.catalog.models["m"].terms.service.abilities == TALKS


def test_no_file_and_no_program_of_a_remote_engine_is_looked_for(warnings):
    assert warnings(f"models: {{m: {{{REMOTE}}}}}", find_binary=lambda: None) == []
