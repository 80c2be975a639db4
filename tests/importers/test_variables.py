"""A compose file beside its ``.env``, and what the shell's environment gives it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from swapd.cli import main
from swapd.cli.importing import _beside, parsed
from swapd.importers.interpolation import assigned
from swapd.importers.recognise import imported
from swapd.importers.sheet import CannotImport, Source, holds_secrets
from tests.importers.conftest import draft

STACK = """
services:
  chat:
    image: ghcr.io/ggml-org/llama.cpp:server
    ports: ["${PORT:-8080}:8080"]
    volumes: ["${MODEL_DIR}:/models"]
    environment: [HF_TOKEN]
    command: -m /models/$FILE -ngl ${NGL-99} -c ${CTX:?how much} --temp ${TEMP:-0.5} ${MORE:+--jinja} $$1
"""


def stack(files, environ=None, text=STACK):
    return imported(Source(text, "/srv/stack", "compose.yaml", files.get, environ or {}), parsed)


def command(made) -> str:
    return made.models[0].keys["command"]


ENV = "MODEL_DIR=/srv/gguf\nFILE=a.gguf\nCTX=4096 # tokens\nHF_TOKEN='hf_x'\nMORE=1\nTEMP=\n"


def test_values_of_the_env_file_beside_it_are_filled_in_and_told(good):
    made = stack({".env": ENV})
    said = command(made)
    assert "-v /srv/gguf:/models" in said
    assert "-e HF_TOKEN=hf_x" in said
    assert said.endswith("-m /models/a.gguf -ngl 99 -c 4096 --temp 0.5 --jinja '$1'")
    told = "$CTX, $FILE, $HF_TOKEN, $MODEL_DIR, $MORE, $TEMP: filled in from .env"
    assert any(line.startswith(told) for line in made.models[0].remarks)
    assert holds_secrets(made)
    good(made)


def test_the_environment_counts_more_than_the_env_file_and_is_told(good):
    made = stack({".env": ENV}, {"CTX": "8192", "NGL": "0"})
    assert "-ngl 0 -c 8192" in command(made)
    assert any(line.startswith("$CTX, $NGL: filled in from the environment") for line in made.models[0].remarks)
    good(made)


def test_a_secret_of_the_environment_is_referred_to_and_not_written_down():
    made = stack({}, {"API_KEY": "sk-1"}, STACK.replace("[HF_TOKEN]", '{KEY: "${API_KEY}"}'))
    assert "KEY=${env.API_KEY}" in command(made)
    assert not holds_secrets(made)


def test_a_variable_without_a_value_is_told_with_what_the_file_says_of_it():
    made = stack({".env": "MODEL_DIR=/m"})
    assert "-m /models/${env.FILE}" in command(made)
    remarks = made.models[0].remarks
    assert "$CTX must be set, the file says: how much" in remarks
    assert any(line.startswith("$CTX, $FILE: compose took it from .env") for line in remarks)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=1", {"A": "1"}),
        ("# no\n\nexport A = 1 2 # no", {"A": "1 2"}),
        ("A=x#y\nB='x # y' # no\nC=\"x # y\"", {"A": "x#y", "B": "x # y", "C": "x # y"}),
        ("A='$B' \nC=$A-${B:-d}", {"A": "$B", "C": "$B-d"}),
        ('A="a\\tb\\"c\\$d"', {"A": 'a\tb"c$d'}),
        ("A='it\\'s'", {"A": "it's"}),
        ("A='two\nlines'\nB=2", {"A": "two\nlines", "B": "2"}),
        ("A=\r\nB=2\r\n", {"A": "", "B": "2"}),
        ("A\nB: 2", {"A": "of the shell", "B": "2"}),
        ("A='open", {"A": "'open"}),
    ],
)
def test_an_env_file_is_read_as_compose_reads_it(text, values):
    assert assigned(text, {"A": "of the shell"} if text.startswith("A\n") else {}) == (values, [])


def test_lines_of_an_env_file_that_are_no_assignment_are_told():
    made = stack({".env": f"{ENV}no assignment\n"})
    assert made.left == ("left out: .env: line 7: it is no assignment",)


@pytest.mark.parametrize(("make", "why"), [("folder", "it is no file"), ("large", "it is larger than 1 MiB")])
def test_an_env_file_that_cannot_be_read_is_told_and_the_rest_goes_on(make, why, tmp_path: Path):
    if make == "folder":
        (tmp_path / ".env").mkdir()
    else:
        (tmp_path / ".env").write_bytes(b"A=1\n" * (1 << 18) + b"#")
    made = imported(Source(STACK, str(tmp_path), "compose.yaml", _beside(tmp_path)), parsed)
    assert made.left[0].startswith(f"left out: .env: cannot read it: {why}")
    assert "${env.MODEL_DIR}" in command(made)


def test_the_verb_reads_the_env_file_beside_a_compose_file_and_its_own_environment(tmp_path: Path):
    (tmp_path / "compose.yaml").write_text(STACK)
    (tmp_path / ".env").write_text(ENV)
    done = CliRunner().invoke(main, ["import", str(tmp_path / "compose.yaml")], env={"NGL": "7", "CTX": "512"})
    assert done.exit_code == 0
    assert "-m /models/a.gguf -ngl 7 -c 512" in done.stdout


FILES = STACK + "    env_file: [{path: own.env}, {path: none.env, required: false}, gone.env]\n"


def test_what_docker_reads_otherwise_in_an_env_file_of_a_service_is_told(good):
    own = '# x\nPLAIN=1\nQUOTED="a b"\nLLAMA_ARG_PORT=9000\nLLAMA_API_KEY=sk-y\n'
    made = stack({".env": ENV, "/srv/stack/own.env": own}, text=FILES)
    said, told = command(made), "\n".join(made.models[0].remarks)
    assert "--env-file /srv/stack/own.env -e LLAMA_ARG_PORT=9000 --env-file /srv/stack/gone.env" in said
    assert "as they are: QUOTED" in told
    assert "LLAMA_API_KEY: take it out" in told
    assert "left out: env_file /srv/stack/none.env: there is no such file" in told
    assert "env_file /srv/stack/gone.env: there is no such file, and docker starts nothing without it" in told
    good(made)


def test_an_env_file_of_a_service_that_cannot_be_read_is_told():
    def beside(path):
        if path == ".env":
            return ENV
        raise CannotImport("Permission denied")

    made = imported(Source(FILES, "/srv/stack", "-", beside), parsed)
    assert any("own.env: cannot read it: Permission denied" in line for line in made.models[0].remarks)


@pytest.mark.parametrize(
    ("grace", "found"),
    [("1m30s", ("90s", "docker stop -t 90 swapd-a")), ("2m", ("2m", "docker stop -t 120 swapd-a"))],
)
def test_the_time_that_a_container_has_to_end_is_kept(grace, found, good):
    made = draft(f"services:\n  a: {{image: vllm/vllm-openai, stop_grace_period: {grace}}}")
    keys = made.models[0].keys
    assert (keys["stop_grace"], keys["stop"]) == found
    good(made)
