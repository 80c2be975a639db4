"""What the machine says: warnings."""

from __future__ import annotations

import os

import pytest

UNTIL = "until then the model cannot be started"


def test_missing_files_are_warnings_each_at_its_place(warnings, tmp_path):
    text = "models: {m: {path: /no/a, mmproj: /no/b, draft: /no/c, lora: [/no/d, /no/e]}}"
    places = [("path", 20, "a"), ("mmproj", 35, "b"), ("draft", 49, "c"), ("lora", 63, "d"), ("lora", 70, "e")]
    assert warnings(text) == [
        f"swapd.yaml:1:{at}: models.m.{key}: there is no file '/no/{name}': put it there or mend the path; {UNTIL}"
        for key, at, name in places
    ]


def test_a_folder_is_no_model(warnings):
    told = f"models.m.path: '/usr' is a folder: name a file within it; {UNTIL}"
    assert warnings("models: {m: {path: /usr}}") == [f"swapd.yaml:1:20: {told}"]


def test_a_file_that_may_not_be_read_is_a_warning(warnings, tmp_path, monkeypatch):
    (tmp_path / "m.gguf").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    told = f"models.m.path: 'm.gguf' cannot be read: let swapd's user read it; {UNTIL}"
    assert warnings("models: {m: {path: m.gguf}}") == [f"swapd.yaml:1:20: {told}"]


def test_a_missing_folder_is_a_warning(warnings):
    told = f"models.m.cwd: there is no folder '/no/where': create it or mend the path; {UNTIL}"
    assert warnings("models: {m: {path: /dev/null, cwd: /no/where}}") == [f"swapd.yaml:1:36: {told}"]


@pytest.mark.parametrize(
    ("keys", "at", "key"),
    [
        ("command: 'no-such-thing ${port}'", 23, "command"),
        ("path: /dev/null, binary: no-such-thing", 39, "binary"),
    ],
)
def test_a_program_that_is_not_found_is_a_warning(warnings, keys, at, key):
    told = f"there is no program 'no-such-thing': install it, or give its full path; {UNTIL}"
    assert warnings(f"models: {{m: {{{keys}}}}}") == [f"swapd.yaml:1:{at}: models.m.{key}: {told}"]


def test_programs_are_looked_up_on_the_given_path(warnings, tmp_path):
    tool = tmp_path / "tool"
    tool.touch(mode=0o755)
    text = "models: {m: {command: 'tool ${port}'}}"
    assert warnings(text, environ={"PATH": str(tmp_path)}) == []
    assert len(warnings(text, environ={"PATH": "/nowhere"})) == 1


def test_a_relative_program_starts_from_its_folder(warnings, tmp_path):
    (tmp_path / "run.sh").touch(mode=0o755)
    assert warnings("models: {m: {command: './run.sh ${port}', cwd: .}}") == []


def test_no_llama_server_at_all_is_one_warning(warnings):
    advice = "put one on PATH, install swapd with its extra 'engine', or set 'binary'"
    one = "models: {a: {path: /dev/null}}"
    two = "models: {a: {path: /dev/null}, b: {command: '${binary} ${port}'}}"
    found = "swapd.yaml:1:10: models.a.binary: no llama-server was found:"
    assert warnings(one, find_binary=lambda: None) == [f"{found} {advice}; until then 'a' cannot be started"]
    assert warnings(two, find_binary=lambda: None) == [f"{found} {advice}; until then 2 models cannot be started"]


def test_the_binary_is_looked_for_only_if_it_is_needed_and_only_once(warnings):
    asked = []
    find = lambda: asked.append(1) or "/x"  # noqa: E731  a one-line spy
    warnings("models: {a: {command: 'sh ${port}'}}", find_binary=find)
    assert asked == []
    warnings("models: {a: {path: /dev/null}, b: {path: /dev/null}}", find_binary=find)
    assert asked == [1]
    assert warnings("models: {a: {path: /dev/null}}", find_binary=None) == []


def test_warnings_are_told_beside_problems(loaded):
    found = loaded("models: {a: {path: /no/a, ttl: 5x}}")
    assert len(found.problems) == len(found.warnings) == 1


def test_a_list_of_files_that_cannot_be_read_is_a_problem_and_nothing_to_look_for(loaded):
    found = loaded("models: {a: {path: /dev/null, lora: [[x], /no/y]}}")
    assert [problem.key for problem in found.problems] == ["models.a.lora[0]"]
    assert found.warnings == ()
