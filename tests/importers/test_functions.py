"""Functions of shell scripts, and the lines at which things stand."""

from __future__ import annotations

import pytest

from swapd.importers.script import commands
from swapd.importers.sheet import CannotImport
from tests.importers.conftest import draft

START = """#!/bin/bash
BIN=/opt/llama-server
start() {
  local model="$1" port=$2   # a brace } in a comment
  shift 2
  nohup "$BIN" -m "/m/$model" \\
    --port "$port" -np 1 "$@" > "log.$port" 2>&1 &
  echo "started {"
}
function stop { pkill llama-server; }
start a.gguf 8081
CUDA_VISIBLE_DEVICES=1 start b.gguf 8082 -c 4096
"""


def test_a_function_is_read_with_what_it_is_called_with_each_time(good):
    made = draft(START)
    a, b = made.models
    assert dict(a.keys) == {"path": "/m/a.gguf", "binary": "/opt/llama-server", "parallel": 1}
    assert (b.keys["path"], b.keys["context"], b.keys["env"]) == (
        "/m/b.gguf",
        4096,
        {"CUDA_VISIBLE_DEVICES": "1"},
    )
    assert (a.remarks, b.remarks) == ((), ())
    good(made)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('f() { a "$1" $2 x; }; f "1 2" 3', [["a", "1 2", "3", "x"]]),
        ('f() { a "$1" $2 "$3"; }; f 1', [["a", "1", ""]]),
        ('f() { a "${1:-d}" ${2:+y}; }; f; f 1 2', [["a", "d"], ["a", "1", "y"]]),
        ('f() { a "${@:2}" "$@"; }; f 1 "2 3"', [["a", "2 3", "1", "2 3"]]),
        ("f() { shift; a $1 $@; }; f 1 2 3", [["a", "2", "2", "3"]]),
        ('f() { shift; a "x $*" $*; }; f 1 2 3', [["a", "x 2 3", "2", "3"]]),
        ("$ a b\nme@box:~/x$ c", [["a", "b"], ["c"]]),
        ("f ()\n{\n a $1\n}\ng() { f $2; f x; a $1; }; g 1 2", [["a", "2"], ["a", "x"], ["a", "1"]]),
        ("f() { a ${1##*/} '}' \"}\" ${X:-}; }; f /m/x", [["a", "x", "}", "}"]]),
        ("function f { a $1; }\nif true; then f 1; fi", [["true"], ["a", "1"]]),
        ('f() { a "$1"; }; f *.gguf', [["a", "*.gguf"]]),
        ("M=${1:-/m/a.gguf}; a $M $1", [["a", "/m/a.gguf", "$1"]]),
        ('f() { a "$1"; }; f "$@"', [["a", "$1"]]),
        ("a() { a2; }; b() { a; c; }", [["a2"], ["c"]]),
        ("f() { a; ", [["f"], ["a"]]),
        ('cd "${0%/*}"; a $PWD', [["a", "/srv/here"]]),
    ],
)
def test_arguments_are_what_a_shell_would_make_of_them(text, words):
    assert [command.words for command in commands(text, "/srv/here").commands] == words


OPEN = """BIN=llama-server
serve() {
  "$BIN" \\
    -m "$1" -np 1
}

"$BIN" -m "/m/$4" -np 1
"""


def test_what_a_function_that_nobody_calls_would_be_told_is_told_with_its_line():
    called, uncalled = (found.remarks for found in draft(OPEN).models)
    assert called == ("left out: line 7: /m/$4: only a shell could tell its value: write it in",)
    assert uncalled == ("left out: line 3: $1: only a shell could tell its value: write it in",)


@pytest.mark.parametrize(
    "text",
    [
        "f() { f; }; f",
        "f() { g; }; g() { f; }",
        "".join(f"f{n}() {{ f{n + 1}; f{n + 1}; }}\n" for n in range(18)) + "f18() { a; }\nf0",
    ],
)
def test_functions_that_call_each_other_without_end_are_refused(text):
    with pytest.raises(CannotImport, match="without end"):
        commands(text)


WITHIN = """launch() { local file=$1; shift; tmux new -d "llama-server -m $file -np 1 $*"; }
launch /m/a.gguf -c 512
for m in x; do launch "${MODELS[$m]}"; done
"""


def test_a_function_that_tells_another_shell_what_to_run_is_read_too(good):
    a, b = draft(WITHIN).models
    assert dict(a.keys) == {"path": "/m/a.gguf", "context": 512, "parallel": 1}
    assert (b.name, b.keys["path"]) == ("model", "$${MODELS[$m]}")
    assert b.remarks == ("left out: $${MODELS[$m]}: only a shell could tell its value: write it in",)


def test_lines_after_a_comment_within_a_command_are_told():
    made = draft("llama-server \\\n  -m /a.gguf -np 1 \\\n  # layers\n  -ngl 99 \\\n  -c 512\n")
    assert "gpu_layers" not in made.models[0].keys
    assert made.left[0].startswith("left out: line 4: -ngl 99 -c 512: a shell ends the command before this line")


def test_a_blank_behind_a_backslash_ends_nothing_and_is_told():
    made = draft("llama-server \\ \n  -m /a.gguf \\\t\n  -np 1\n")
    assert dict(made.models[0].keys) == {"path": "/a.gguf", "parallel": 1}
    assert made.head[-1].startswith("Line 1, 2: blanks behind a backslash")


def test_a_server_in_a_text_within_a_script_is_told():
    made = draft("llama-server -m /a.gguf -np 1\ncat > b.sh <<EOF\nllama-server -m /b.gguf\nEOF\n")
    assert made.head[-1].startswith("Line 2: what follows <<EOF names a server and is not read")
    assert len(made.models) == 1
