"""Refusals and causes in words."""

from __future__ import annotations

import pytest

from swapd.core.commands import Cause, Why
from swapd.core.refusal import Exit, Reason, Refusal


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_says_what_could_not_be_done_and_names_the_model(reason: Reason) -> None:
    text = str(Refusal(reason, "qwen", detail="so much"))
    assert text.startswith("cannot ")
    assert "qwen" in text or reason is Reason.ENGINE_DIED
    assert "{" not in text


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (Exit(code=3), "exited with code 3"),
        (Exit(code=0), "exited with code 0"),
        (Exit(signal="SIGSEGV"), "killed by SIGSEGV"),
        (Exit(code=1, reason="no such binary"), "no such binary"),
        (Exit(), "ended for an unknown reason"),
    ],
)
def test_an_end_in_words(end: Exit, says: str) -> None:
    assert str(end) == says


def test_a_refusal_brings_the_hint_and_the_last_lines() -> None:
    end = Exit(code=1, log=("loading", "out of memory"), hint="lower gpu_layers")
    assert str(Refusal(Reason.START_FAILED, "qwen", end)).splitlines() == [
        "cannot start the engine of model 'qwen': exited with code 1",
        "Hint: lower gpu_layers",
        "Last lines of the engine:",
        "loading",
        "out of memory",
    ]


def test_a_cause_in_words() -> None:
    assert str(Why(Cause.EVICTED, "qwen")) == "makes room for qwen"
    assert str(Why(Cause.SICK, detail="hangs")) == "unusable (hangs)"
    assert str(Why(Cause.TTL)) == "idle past its ttl"
