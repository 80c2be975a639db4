"""Shell scripts: read, never run."""

from __future__ import annotations

import pytest

from swapd.importers.script import commands
from swapd.importers.sheet import CannotImport
from tests.importers.conftest import draft, model


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b  c", ["a", "b", "c"]),
        ("a 'b c' \"d e\" f\\ g", ["a", "b c", "d e", "f g"]),
        ("a \\\n  b # no\n", ["a", "b"]),
        ("X=1; a $X ${X}2 '$X'", ["a", "1", "12", "$X"]),
        ("X='1 2'; a $X \"$X\"", ["a", "1", "2", "1 2"]),
        ("A=(x 'y z' # no\n w); a \"${A[@]}\"", ["a", "x", "y z", "w"]),
        ("A=(x); A+=(y); a ${A[@]}", ["a", "x", "y"]),
        ("a ${NO:-default} ${NO-other}", ["a", "default", "other"]),
        ("a $UNSET", ["a", "${env.UNSET}"]),
        ("a '${b}' \\${c} \"\\${d}\"", ["a", "$${b}", "$${c}", "$${d}"]),
        ('a "$@" b', ["a", "b"]),
        ("a ~/x ~", ["a", "${env.HOME}/x", "${env.HOME}"]),
        ("a > out 2>&1 < in b", ["a", "b"]),
        ("a <<EOF\nllama-server\nEOF\n", ["a"]),
        ("a $(date +%s) b", ["a", "$(date +%s)", "b"]),
        ("a ''", ["a", ""]),
    ],
)
def test_words_are_what_a_shell_would_make_of_them(text, words):
    assert [command.words for command in commands(text).commands] == [words]


def test_commands_end_where_a_shell_ends_them():
    shell = commands("a; b & c && d || e | f\n(g)\nif h; then i; fi")
    assert [command.words[0] for command in shell.commands] == list("abcdefghi")


def test_a_script_knows_its_own_folder():
    text = 'DIR="$(cd "$(dirname "$0")" && pwd)"\nllama-server -m "$DIR/x.gguf"'
    assert model(text).keys["path"] == "/srv/stack/x.gguf"


def test_what_only_a_run_could_tell_is_told():
    found = model("llama-server -m $(find-model) -np 1 -c $SIZE")
    assert found.keys["context"] == "${env.SIZE}"
    assert any("only a shell could tell" in line for line in found.remarks)
    assert any("$SIZE" in line for line in found.remarks)


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a $(b", "a `b", "a ${b", "a " + "${" * 50_000])
def test_what_is_never_closed_is_refused(text):
    with pytest.raises(CannotImport, match="never closed"):
        commands(text)


def test_variables_that_double_each_other_are_refused():
    with pytest.raises(CannotImport, match="double"):
        commands("A=xxxxxxxx\n" + "A=$A$A\n" * 60)


def test_a_script_without_a_server_is_refused():
    with pytest.raises(CannotImport, match="paste the line"):
        draft("echo hello")
