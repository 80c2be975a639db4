"""What people have lying about: scripts that grew, units with comments in them, compose files in stages."""

from __future__ import annotations

import pytest

from swapd.config.author import added
from swapd.importers.script import commands
from swapd.importers.sheet import CannotImport, left_out, one_by_one
from tests.importers.conftest import draft, flags, model

KEEPER = """#!/bin/bash
# starts and stops the writer
BIN="${SERVER_BIN:-${TOOLS:-/opt/tools}/llama-server}"
FILE="${FILE:-/srv/gguf/writer.gguf}"
if [ "$1" = big ]; then CTX=32768; else CTX=8192; fi
if [[ ! -x "$BIN" ]]; then echo "llama-server is not at $BIN" >&2; exit 1; fi
command -v llama-server || pip install vllm
case "${2:-start}" in
  stop) pkill -f "$BIN --port 8080" ;;
  start) nohup "$BIN" -m "$FILE" -c $CTX -np 1 --alias "${FILE##*/}" "$@" > log 2>&1 & ;;
esac
docker stop llama-server; tail -f llama-server.log; llama-server --version; ollama pull tiny
"""


def test_a_script_that_speaks_of_its_server_has_it_once(good):
    made = draft(KEEPER)
    (found,) = good(made).catalog.models.values()
    assert (found.name, found.launch.argv[0]) == ("writer.gguf", "/opt/tools/llama-server")
    told = flags(found.launch.argv[1:])
    assert (told["-m"], told["-c"], told["-np"]) == ("/srv/gguf/writer.gguf", "8192", "1")
    assert "CTX: set more than once there, and the last counts here: is it the right one?" in made.head


@pytest.mark.parametrize(
    "line",
    [
        'echo "llama-server is up"',
        "echo llama-server -m x.gguf",
        "printf 'start llama-server'",
        "systemctl restart llama-server",
        "killall llama-server",
        "[ -x /opt/llama-server ]",
        "docker logs llama-server",
        "docker pull vllm/vllm-openai",
        "pip install sglang",
        "ollama run tiny",
        "vllm --version",
        "llama-server --list-devices",
        "cp /x/llama-server /usr/bin",
    ],
)
def test_a_command_that_names_a_server_is_none(line):
    with pytest.raises(CannotImport, match="no command in it starts a model server"):
        draft(line, "command")


@pytest.mark.parametrize(
    "line",
    [
        "bash -c 'cd /srv && exec ./llama-server -m a.gguf -np 1 | tee log'",
        'tmux new-session -d -s llm "cd /srv; ./llama-server -m a.gguf -np 1"',
        "cd /srv; screen -dmS llm ./llama-server -m a.gguf -np 1",
    ],
)
def test_a_server_within_another_shell_is_found(line, good):
    made = draft(line)
    assert made.models[0].keys == {
        "path": "/srv/a.gguf",
        "binary": "/srv/llama-server",
        "cwd": "/srv",
        "parallel": 1,
    }
    good(made)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("F=/m/a.b.gguf; a ${F##*/}", "a.b.gguf"),
        ("F=/m/a.b.gguf; a ${F%.gguf}", "/m/a.b"),
        ("F=/m/a.b.gguf; a ${F%%.*}", "/m/a"),
        ("F=/m/a.b.gguf; a ${F#/m}", "/a.b.gguf"),
        ("a ${X:-${Y:-${Z:-deep}}}", "deep"),
        ('a "${X:-"two words"}"', "two words"),
        ("X=1; a ${X:+yes}", "yes"),
        ("a ${X:?say it}", "${env.X}"),
        ("a $PWD", "/srv/stack"),
        ("cd sub; a $PWD", "/srv/stack/sub"),
        ("(cd /elsewhere); a $PWD", "/srv/stack"),
        ("a ${X^^}", "$${X^^}"),
        ("f() { a $1; }", "$1"),
    ],
)
def test_variables_are_what_a_shell_would_make_of_them(text, word):
    assert commands(text, "/srv/stack").commands[-1].words[1] == word


def test_defaults_that_lie_too_deep_are_refused():
    with pytest.raises(CannotImport, match="too deep"):
        commands("a " + "${X:-" * 5000 + "}" * 5000)


@pytest.mark.parametrize(
    "text", ["for f in a b; do llama-server -m $f -np 1; done", "run() { llama-server -m $1 -np 1; }"]
)
def test_a_model_that_only_a_run_would_tell_is_left_to_be_written_in(text, good):
    made = draft(text)
    assert (made.models[0].name, left_out(made)) == ("model", 1)
    assert "write it in" in made.models[0].remarks[0]
    good(made)


def test_variables_of_llama_server_count_less_than_flags_and_more_than_nothing(good):
    variables = "LLAMA_ARG_N_PARALLEL=3 LLAMA_ARG_CTX_SIZE=99 LLAMA_ARG_NO_MMAP=1 LLAMA_API_KEY=sk-x"
    made = draft(f"{variables} llama-server -m /a.gguf -c 2048")
    (found,) = good(made).catalog.models.values()
    told = flags(found.launch.argv[1:])
    assert (told["-np"], told["-c"]) == ("3", "2048")
    assert dict(found.launch.env) == {"LLAMA_ARG_NO_MMAP": "1"}
    assert left_out(made) == 1


UNIT = """[Unit]
Description=the writer
[Service]
WorkingDirectory=/srv/llm
Environment=MORE="--jinja -c 4096" LLAMA_ARG_N_PARALLEL=2
ExecStart=/usr/bin/llama-server \\
    # which one
    -m models/%i.gguf \\
; how much of it
    -ngl ${LAYERS} $MORE
"""


def test_comments_within_a_line_of_a_unit_end_nothing():
    found = model(UNIT)
    assert found.keys["path"] == "/srv/llm/models/%i.gguf"
    assert (found.keys["context"], found.keys["gpu_layers"], found.keys["parallel"]) == (4096, "${env.LAYERS}", 2)
    assert found.keys["args"] == ["--jinja"]
    assert any("$LAYERS: not set in the unit" in line for line in found.remarks)
    assert any(line.startswith("left out: %i: ") for line in found.remarks)


STAGES = """
x-gpu: &gpu
  deploy: {resources: {limits: {memory: 8G}, reservations: {devices: [{capabilities: [gpu]}]}}, replicas: 1}
services:
  base:
    <<: *gpu
    image: ${REGISTRY:-${MIRROR:-ghcr.io}}/ggml-org/llama.cpp:server
    env_file: [{path: base.env, required: false}]
    volumes: [./models:/models]
    extra_hosts: {nas: 10.0.0.2}
    environment: {LLAMA_API_KEY: sk-of-theirs, LLAMA_ARG_PORT: 9000, TOKEN: "${UPSTREAM_TOKEN}"}
    command: -m /models/a.gguf
  small:
    extends: {service: base}
    volumes: [./more:/more:ro]
    network_mode: service:vpn
    command: ["-m", "/more/b.gguf", "--api-key", "sk-again"]
  afar: {extends: {file: other.yaml, service: x}}
"""


def test_a_compose_file_of_several_stages_is_put_together(good):
    made = draft(STAGES)
    base, small = (" ".join(spec.launch.argv) for spec in good(made).catalog.models.values())
    assert "ghcr.io/ggml-org/llama.cpp:server -m /models/a.gguf" in base
    assert "--env-file /srv/stack/base.env" in base
    assert "--add-host nas:10.0.0.2" in base
    assert "--memory 8G" in base
    assert "--gpus all" in base
    assert "-p 127.0.0.1:${port}:9000" in base
    assert "-v /srv/stack/models:/models -v /srv/stack/more:/more:ro" in small
    assert "-m /more/b.gguf" in small
    assert "vpn" not in small
    assert "sk-" not in base + small
    assert any("$UPSTREAM_TOKEN" in line for line in made.models[0].remarks)
    assert "another file" in made.left[0]


def test_a_container_on_the_network_of_the_host_publishes_nothing_twice(good):
    made = draft("docker run -p 8000:8000 --network=host --env-file ./own.env vllm/vllm-openai --model a/b")
    (found,) = good(made).catalog.models.values()
    assert "-p" not in found.launch.argv
    assert found.launch.argv[-2:] == ("--port", "${port}")
    assert found.launch.cwd == "/srv/stack"


SWAP = """
tailcat: {models: [a]}
profiles: {old: [a, b]}
hooks: {on_startup: {profile: old}}
models:
  a: {cmd: 'llama-server --port ${PORT} -m /a.gguf'}
  draw: {cmd: 'sd-server --listen-port 9999 --steps 8'}
peers:
  tunnel: {proxy: 'tailcat://x', tailcatKey: /k, models: [m]}
"""


def test_what_newer_and_older_llama_swaps_have_is_told_for_what_it_is(good):
    made = draft(SWAP)
    models = good(made).catalog.models
    assert models["draw"].launch.argv == ("sd-server", "--listen-port", "${port}", "--steps", "8")
    assert list(models) == ["a", "draw"]
    told = "\n".join(made.left)
    assert "peer 'tunnel' at tailcat://x" in told
    assert "profile 'old' (a, b): models that fit" in told
    assert "hooks: profile 'old'" in told
    assert "no such key" not in told


PRESET = """seed = 1
[a]
model = /old.gguf
[a]  # the later one
model = /new.gguf ; moved
temp = 0.5# cool
"""


def test_a_preset_is_read_as_llama_server_reads_it(good):
    made = draft(PRESET)
    (found,) = good(made).catalog.models.values()
    told = flags(found.launch.argv[1:])
    assert (told["-m"], told["--temp"]) == ("/new.gguf", "0.5")
    assert [line.partition(":")[2][:14] for line in made.left] == [" seed: it stan", " the first [a]"]


def test_defaults_of_the_other_tool_change_no_model_that_was_there():
    made = one_by_one(draft("globalTTL: 60\n" + SWAP))
    text = added("models:\n  mine: {path: /mine.gguf}\n", made)
    assert "defaults" not in text
    assert [found.keys["ttl"] for found in made.models] == ["1m", "1m"]


def test_what_was_left_out_is_told_where_models_have_no_room_for_comments():
    text = added("models: {mine: {path: /mine.gguf}}\n", draft("llama-server -m /a.gguf --api-key x"))
    assert "# a: left out: --api-key: " in text


SEVERAL = """alias fast='llama-server -m /fast.gguf -np 1'
while true; do timeout -k 5 3600 llama-server -m /slow.gguf -np 1 || sleep 2; done
args=( -m /array.gguf # which
  -np 1 )
CUDA_VISIBLE_DEVICES=1 exec -a writer llama-server "${args[@]}" "${@:2}"
uv run --with extras python -m vllm.entrypoints.openai.api_server --model a/b --port 8001
python3 -m another.server --model /other.gguf --port 8002
"""


def test_no_server_of_a_script_is_lost_without_a_word(good):
    made = draft(SEVERAL)
    models = good(made).catalog.models
    assert list(models) == ["fast", "slow", "array", "b"]
    assert [model.keys.get("path") for model in made.models] == ["/fast.gguf", "/slow.gguf", "/array.gguf", None]
    assert "args" not in made.models[2].keys
    assert "python3 -m another.server" in made.left[0]
    assert "paste it alone" in made.left[0]


MORE_OF_A_UNIT = """[Service]
Type=simple
Restart=always
LimitMEMLOCK=infinity
TimeoutStartSec=infinity
TimeoutStopSec=20
StandardOutput=append:/var/log/llama.log
ExecStart=/usr/bin/llama-server -m /a.gguf -np 1 --api-key ${API_KEY}
"""


def test_every_setting_of_a_unit_that_is_not_carried_over_is_told():
    found = model(MORE_OF_A_UNIT)
    assert [line.removeprefix("left out: ") for line in found.remarks] == [
        "--api-key: its engine answers to this machine only, and swapd asks for the keys of 'clients'",
        "Restart=always: swapd sees to that (see 'restart')",
        "LimitMEMLOCK=infinity: nothing here says the same; if it is needed, say it in swapd's own unit",
        "TimeoutStartSec=infinity: write it as 'start_timeout'",
        "StandardOutput=append:/var/log/llama.log: the output is in `swapd logs`",
    ]
    assert found.keys["stop_grace"] == "20s"


def test_what_a_script_reads_from_another_file_is_told():
    made = draft(". ./.env\nllama-server -m $DIR/a.gguf -np 1")
    assert made.head[-1].startswith("./.env is not read: ")


def test_a_path_from_a_folder_that_nobody_named_is_told():
    assert set(model("./llama-server -m a.gguf --mmproj ./m.gguf -np 1").notes) == {"path", "mmproj", "binary"}
    remarks = model("bin/llama-server -hf a/b").remarks
    assert remarks[1].startswith("bin/llama-server: write its full path, or say 'cwd'")
    assert model("cd /x; bin/llama-server -hf a/b").remarks == remarks[:1]


NEIGHBOURS = """
services:
  llm: {image: "ghcr.io/ggml-org/llama.cpp:server", command: -m /a.gguf}
  page: {image: page, environment: {OPENAI_API_BASE_URL: "http://llm:8080/v1"}}
"""


def test_a_service_that_asked_a_model_by_its_name_among_them_is_told():
    told = "service 'page' asks http://llm:..., which is gone then: give it swapd's address"
    assert draft(NEIGHBOURS).left[1] == told


def test_the_older_name_of_a_filter_and_a_server_within_a_shell_are_known():
    found = model(
        "models:\n  a:\n    cmd: bash -c 'exec vllm serve org/a --port ${PORT}'\n"
        "    filters: {strip_params: 'temperature, top_k'}\n"
    )
    assert found.keys["request"] == {"strip": ["temperature", "top_k"]}
    assert (found.keys["engine"], found.keys["upstream_model"]) == ("vllm", "org/a")
