"""Which binary an engine gets when the operator names none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from swapd.engines import binaries
from swapd.engines.binaries import find_binary


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def python(tmp_path, monkeypatch):
    """The folder of a Python of the test's own, where pip puts console scripts."""
    monkeypatch.setattr(sys, "executable", executable(tmp_path / "venv/bin/python"))
    return tmp_path / "venv/bin"


def test_a_llama_server_on_the_path_comes_first(tmp_path, python):
    executable(python / "swapd-llama-server")
    true = executable(tmp_path / "bin/llama-server")
    assert find_binary({"PATH": str(tmp_path / "bin")}) == true


def test_else_the_front_beside_this_python_and_then_the_one_on_the_path(tmp_path, python):
    on_path = executable(tmp_path / "bin/swapd-llama-server")
    assert find_binary({"PATH": str(tmp_path / "bin")}) == on_path
    beside = executable(python / "swapd-llama-server")
    assert find_binary({"PATH": str(tmp_path / "bin")}) == beside


def test_a_front_without_its_engine_is_not_found(python, monkeypatch):
    executable(python / "swapd-llama-server")
    assert find_binary({"PATH": ""}) is not None
    monkeypatch.setattr(binaries, "find_spec", lambda name: None)
    assert find_binary({"PATH": ""}) is None


def test_an_engine_without_its_front_is_not_found(python):
    assert find_binary({"PATH": ""}) is None
