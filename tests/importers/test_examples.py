"""Every example is a good config, and its models start with the flags that they had."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapd.importers.sheet import left_out
from tests.importers.conftest import draft, flags

EXAMPLES = Path(__file__).parent / "examples"
SWAP, MATRIX = "everything.llama-swap.yaml", "matrix.llama-swap.yaml"
OURS = {"--host", "--port", "-a", "--metrics"}
UNSAID = {"-t", "-np", "-kvu", "--kv-unified", "--spec-type"}
"""What swapd says where the other tool left it to llama-server: its share of the cores, the slots as they were."""

LINES = {  # by hand: what the other tool would have started
    (SWAP, "coder-30b"): "-m /m/gguf/coder-30b-00001-of-00002.gguf -c 65536 -fa on -ngl 99 -np 2 --temp 0.35",
    (SWAP, "plain"): "-m /m/gguf/plain.gguf",
    (SWAP, "embed"): "-m /m/gguf/embed.gguf --embedding -b 4096 -ub 4096 -c 16384 -np 1 -t 6",
    (SWAP, "rank"): "-m /srv/rank.gguf --reranking -np 2",
    (SWAP, "seer"): "-m /srv/seer.gguf --mmproj /srv/seer-mmproj.gguf -md /srv/seer-draft.gguf "
    "--lora /srv/a.gguf -t 8 -tb 16 -dev CUDA0,CUDA1 --metrics",
    (SWAP, "hub"): "-hf ggml-org/tiny:Q8_0 --jinja",
    (MATRIX, "gemma"): "-m /m/gemma.gguf -np 1",
    (MATRIX, "qwen"): "-m /m/qwen.gguf -np 1",
    (MATRIX, "giant"): "-m /m/giant.gguf -np 1",
    ("router.preset.ini", "Qwen3-Coder"): "-m /srv/models/qwen3-coder.gguf -ngl 99 -c 65536 -fa on --jinja "
    "--no-mmap -ctk q8_0 -np 2 --temp 0.7",
    ("router.preset.ini", "bge-m3"): "-m /srv/models/bge-m3.gguf -ngl 99 -c 8192 -fa on --jinja --no-mmap "
    "-ctk q8_0 --embeddings -ub 4096 -np 1",
    ("two-servers.command.sh", "embed"): "-m /opt/llama/models/embed.gguf --embedding -np 1",
    ("llama.unit.service", "gemma"): "-m /srv/gguf/gemma.gguf -c 8192 -ngl 99 -np 1",
}


@pytest.fixture(params=sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def example(request) -> Path:
    return request.param


def read(name: str):
    return draft((EXAMPLES / name).read_text(), name=name)


def test_every_example_becomes_a_config_without_problems(example, good):
    made = read(example.name)
    assert set(good(made).catalog.models) == {model.name for model in made.models}


def test_what_an_example_is_is_seen_by_its_content(example):
    kind = example.name.split(".")[1]
    assert read(example.name) == draft(example.read_text(), kind, example.name)


@pytest.mark.parametrize(("name", "model"), LINES)
def test_an_imported_llama_server_starts_with_the_flags_that_it_had(name, model, good):
    argv = good(read(name)).catalog.models[model].launch.argv
    wanted, found = flags(LINES[name, model].split()), flags(argv[1:])
    assert {flag: value for flag, value in found.items() if flag in wanted} == wanted
    assert found.keys() - wanted.keys() <= OURS | UNSAID


def test_where_nobody_said_how_many_slots_they_are_as_many_as_before(good):
    models = good(read(SWAP)).catalog.models
    found = flags(models["plain"].launch.argv[1:])
    assert (found["-np"], "--kv-unified" in found or "-kvu" in found) == ("4", True)
    assert models["plain"].terms.concurrency == 4


def test_all_that_llama_swap_says_of_a_model_is_carried_over(good):
    loaded = good(read(SWAP))
    coder = loaded.catalog.models["coder-30b"]
    assert coder.launch.argv[0] == "/srv/llama/bin/llama-server"
    assert dict(coder.launch.env) == {"CUDA_VISIBLE_DEVICES": "0,1", "HF_TOKEN": "hf_not_a_real_one"}
    assert (coder.terms.stay.ttl, coder.terms.bounds.stop, coder.terms.bounds.start) == (None, 45.0, 300.0)
    assert (coder.terms.concurrency, coder.terms.stay.preload) == (6, True)
    service = coder.terms.service
    assert (service.upstream_model, service.timeouts.connect, service.timeouts.first_byte) == ("coder", 20.0, None)
    assert service.edits.strip == ("top_k", "repeat_penalty")
    assert service.edits.set == {"top_p": 0.9, "provider": {"zdr": True}, "effort": "medium"}
    assert service.listing.description == "Writes code; coder-30b for short"
    assert service.listing.metadata["told"] == ["coder-30b", 3, {"deep": True}]
    assert service.listing.metadata["heat"] == 0.35
    aliases = {
        alias.name: alias.edits.set for alias in loaded.catalog.aliases.values() if alias.model == "coder-30b"
    }
    assert aliases == {
        "gpt-4o": {},
        "claude-sonnet": {},
        "coder-30b:think": {"effort": "high"},
        "coder-30b:quick": {"effort": "low"},
    }


def test_all_that_llama_swap_says_besides_is_carried_over(good):
    loaded = good(read(SWAP))
    models, catalog = loaded.catalog.models, loaded.catalog
    assert models["plain"].terms.stay.ttl == 900.0
    assert models["seer"].launch.standing.nice == 5
    assert models["seer"].launch.standing.cpus == tuple(range(8))
    assert [name for name, spec in models.items() if spec.terms.stay.pinned] == ["embed", "rank"]
    assert [name for name, spec in models.items() if spec.terms.cost] == ["coder-30b", "seer", "boxed"]
    assert catalog.measured, "counters do not end the measuring of memory"
    assert catalog.budget["group-big"] == 1
    assert {name: (pool.models, pool.choose) for name, pool in catalog.pools.items()} == {
        "code": (("coder-30b", "plain"), "warm"),
        "best": (("seer",), "first"),
        "crowd": (("plain", "rig/plain-2"), "spread"),
    }
    assert [client.key for client in loaded.settings.clients] == ["sk-from-the-file-1", "sk-of-the-chat"]


def test_peers_become_models_of_theirs(good):
    catalog = good(read(SWAP)).catalog
    cloud = catalog.models["cloud/vendor/large"]
    assert (cloud.launch.url, cloud.launch.health) == ("https://models.example.com/api", "/v1/models")
    assert cloud.launch.key == "Authorization: Bearer sk-of-the-cloud"
    assert cloud.terms.service.upstream_model == "vendor/large"
    assert cloud.terms.service.edits.set == {"provider": {"zdr": True}}
    assert cloud.terms.bounds.start == 30.0
    assert catalog.aliases["vendor/large"].model == "cloud/vendor/large"
    assert "shared" not in catalog.aliases, "two peers have it"


def test_commands_keep_their_words_and_get_their_port_from_swapd(good):
    models = good(read(SWAP)).catalog.models
    boxed, fixed, shelled = models["boxed"], models["fixed"], models["shelled"]
    assert " ".join(boxed.launch.argv) == (
        "docker run --rm --name boxed --gpus all -p 127.0.0.1:${port}:8080 -v /srv:/models:ro "
        "ghcr.io/ggml-org/llama.cpp:server-cuda -m /models/boxed.gguf --host 0.0.0.0"
    )
    assert boxed.terms.stop == ("docker", "stop", "boxed")
    assert "127.0.0.1:${port}:8000" in fixed.launch.argv
    assert (fixed.terms.service.kind, fixed.launch.health) == ("vllm", "/v1/models")
    assert shelled.launch.argv == ("bash", "-c", "cd /opt/tts && exec ./serve --listen 127.0.0.1:${port}")
    assert shelled.terms.stop == (), "to signal it is swapd's own part"
    assert models["afar"].launch.url == "http://rig.home.arpa:8081"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("misspelt", "no such key"),
        ("no-such-model", "no such model"),
        ("profile 'work'", "swapd reload"),
        ("captureBuffer", "no content"),
        ("--api-key", "clients"),
        ("checkEndpoint: none", "health"),
        ("metadata.port", "each start"),
        ("cmd: ssh rig", "start it yourself"),
        ("settings.spillover", "slots"),
    ],
)
def test_what_cannot_be_carried_over_is_told_with_the_reason(name, word):
    made = read(SWAP)
    lines = [*made.left, *(line for model in made.models for line in model.remarks)]
    assert [line for line in lines if name in line and word in line and line.startswith("left out: ")]


def test_no_key_of_the_reference_is_lost_without_a_word():
    """A key is read, or it is told of; what llama-swap does not have is told of too."""
    made = read(SWAP)
    told = " ".join([*made.left, *made.head])
    for key in ("logTimeFormat", "logToStdout", "metricsMaxInMemory", "startPort", "sendLoadingState"):
        assert key in told
    assert left_out(made) == 22


def test_what_the_matrix_forbids_takes_turns_and_what_it_allows_does_not(good):
    models = good(read(MATRIX)).catalog.models
    needs = {name: set(spec.terms.cost) for name, spec in models.items()}
    assert needs["gemma"] & needs["qwen"]
    assert not needs["gemma"] & needs["voice"]
    assert all(needs["giant"] & needs[other] for other in ("gemma", "qwen", "voice"))
    assert models["voice"].terms.priority == 10


def test_a_preset_file_becomes_models_with_all_of_its_options(good):
    loaded = good(read("router.preset.ini"))
    coder, embed, hub = loaded.catalog.models.values()
    assert (coder.terms.stay.preload, coder.terms.stay.ttl, coder.terms.bounds.stop) == (True, None, 25.0)
    assert set(loaded.catalog.aliases) == {"coder", "gpt-4o"}
    assert embed.terms.stay.ttl == 300.0
    assert "sk-of-the-child" not in " ".join(embed.launch.argv)
    assert hub.launch.argv[:3] == ("llama-server", "--hf-repo", "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M")
    assert '{"reasoning_effort": "high"}' in hub.launch.argv
    assert "from-the-folder" in read("router.preset.ini").left[0]


def test_the_servers_of_a_script_become_models(good):
    qwen, embed = good(read("two-servers.command.sh")).catalog.models.values()
    assert qwen.launch.argv[qwen.launch.argv.index("-m") + 1] == "/srv/gguf/qwen3 8b.gguf"
    assert flags(qwen.launch.argv[1:])["-t"] == "${threads}"
    assert (qwen.launch.standing.nice, qwen.launch.standing.cpus) == (10, tuple(range(8)))
    assert qwen.launch.env == (("CUDA_VISIBLE_DEVICES", "0"),)
    assert embed.launch.env == (("CUDA_VISIBLE_DEVICES", "0"), ("LLAMA_LOG", "1"))
    assert (embed.launch.argv[0], embed.launch.cwd) == ("/opt/llama/llama-server", "/opt/llama")


def test_the_services_of_a_compose_file_become_containers(good):
    models = good(read("stack.compose.yaml")).catalog.models
    llama, vllm, tei = (" ".join(models[name].launch.argv) for name in ("llama", "vllm", "tei"))
    assert "-v /srv/stack/models:/models:ro -v cache:/cache --gpus all" in llama
    assert "-p 127.0.0.1:${port}:8080" in llama
    assert "--n-gpu-layers 64" in llama
    assert "-e TOKEN_IN=t" in llama
    assert '--ipc host --shm-size 8gb --gpus "device=0,1"' in vllm
    assert models["vllm"].terms.service.upstream_model == "Qwen/Qwen3-8B"
    assert (models["vllm"].terms.bounds.stop, models["vllm"].terms.stop[:2]) == (45.0, ("docker", "stop"))
    assert tei.endswith("--model-id BAAI/bge-m3 --port ${port}")
    assert "webui" in read("stack.compose.yaml").left[0]


def test_what_a_unit_says_of_its_process_is_kept(good):
    (gemma,) = good(read("llama.unit.service")).catalog.models.values()
    standing = gemma.launch.standing
    assert (standing.nice, standing.cpus, standing.oom_score_adj) == (5, (0, 1, 2, 3, 8), 300)
    assert (gemma.launch.cwd, gemma.terms.bounds.stop) == ("/srv", 20.0)
