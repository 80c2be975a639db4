"""Files as they really are: absent, barred, half written, in another encoding."""

from __future__ import annotations

import os

import pytest

from swapd.config.pieces import Pieces
from swapd.config.problems import Problems
from swapd.config.read import MOST_BYTES, read
from swapd.config.tree import plain_data


@pytest.fixture
def tell(tmp_path):
    def tell(content: bytes | None) -> str:
        path = tmp_path / "c.yaml"
        if content is not None:
            path.write_bytes(content)
        problems = Problems()
        assert read(path, problems, Pieces()) is None
        (only,) = problems.sorted()
        return str(only).removeprefix(f"{tmp_path}/")

    return tell


def test_a_missing_file_is_told(tell):
    message = "cannot read the config: No such file or directory; check the path and who may read it"
    assert tell(None) == f"c.yaml:1:1: {message}"


def test_a_folder_is_no_config(tell, tmp_path):
    (tmp_path / "c.yaml").mkdir()
    assert tell(None) == "c.yaml:1:1: cannot read the config: it is not a file; name the file itself"


def test_a_pipe_does_not_block_the_reader(tell, tmp_path):
    os.mkfifo(tmp_path / "c.yaml")
    assert tell(None) == "c.yaml:1:1: cannot read the config: it is not a file; name the file itself"


def test_a_file_that_may_not_be_read_is_told(tell, monkeypatch):
    def barred(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", barred)
    message = "cannot read the config: Permission denied; check the path and who may read it"
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)
    assert tell(None) == f"c.yaml:1:1: {message}"


def test_a_huge_file_is_not_even_parsed(tell):
    assert tell(b"#" * (MOST_BYTES + 1)) == "c.yaml:1:1: the file is larger than 4 MiB: split it with 'include'"


def test_another_encoding_is_told_at_the_first_odd_byte(tell):
    assert tell(b"a: 1\nbe: caf\xe9\n") == "c.yaml:2:8: this is not UTF-8: save the file in that encoding"
    assert tell("a: 1".encode("utf-16")) == "c.yaml:1:1: this is not UTF-8: save the file in that encoding"


def test_control_characters_are_told_at_their_place(tell):
    message = "the control character U+0007 cannot stand in YAML: remove it"
    assert tell(b"a: 1\r\nb: \x07\r\n") == f"c.yaml:2:4: {message}"


@pytest.mark.parametrize("content", [b"- a\n", b"just text\n"])
def test_a_file_that_is_no_mapping_is_told(tell, content):
    assert tell(content) == "c.yaml:1:1: the file must be a mapping of keys, such as 'models:'"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path, problems = tmp_path / "c.yaml", Problems()
    path.write_bytes(b"\xef\xbb\xbfmodels: {}\r\n")
    assert plain_data(read(path, problems, Pieces())) == {"models": {}}
    assert not problems


@pytest.mark.parametrize("end", range(0, 180, 3))
def test_a_half_written_file_never_raises(tmp_path, end):
    text = "macros: {a: '/srv'}\nmodels:\n  x: {path: '${a}/m.gguf', ttl: 5m, args: [--jinja, \"--x\"]}\n"
    text += "  y:\n    command: >-\n      run --port ${port}\n    aliases: [z]\n    env: {A: b}\n"
    path, problems = tmp_path / "c.yaml", Problems()
    path.write_text(text[:end])
    assert (read(path, problems, Pieces()) is None) == bool(problems)
