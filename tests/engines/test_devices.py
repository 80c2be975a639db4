"""Asking a binary for what it prints."""

from __future__ import annotations

import os

import pytest

from swapd.engines import devices


def test_what_is_printed_is_returned_in_the_environment_of_engines():
    words = ["sh", "-c", "echo $CUDA_DEVICE_ORDER.$LLAMA_ARG_X; echo noise >&2; exit 3"]
    assert devices.output(words, {**os.environ, "LLAMA_ARG_X": "1"}) == "PCI_BUS_ID.\n"


def test_a_binary_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(devices, "BOUND", 0.05)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 s"):
        devices.output(["sleep", "60"], os.environ)


def test_a_binary_that_is_not_there_is_an_os_error():
    with pytest.raises(FileNotFoundError):
        devices.output(["/no/such/binary"], os.environ)
