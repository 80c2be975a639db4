"""What engines say of themselves is read, bounded, and never believed further than that."""

from __future__ import annotations

import time

import pytest

from swapd.metrics import foreign
from swapd.metrics.foreign import families

PAGE = b"""# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 5
# HELP llamacpp:n_tokens_max Largest observed n_tokens.
# TYPE llamacpp:n_tokens_max counter
llamacpp:n_tokens_max 8
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 1
"""
"""Of b10434, some lines left out."""


def told(**pages: bytes | None) -> tuple[dict[str, str], list[tuple[str, dict[str, str], float]], dict[str, bool]]:
    """The types of the families, all series, and whose page was none."""
    found, failed = families(pages)
    series = [(sample.name, sample.labels, sample.value) for metric in found for sample in metric.samples]
    return {metric.name: metric.type for metric in found}, series, failed


def test_two_engines_share_a_family_and_are_told_apart_by_their_model():
    types, series, failed = told(a=PAGE, b=PAGE.replace(b"total 5", b"total 7"))
    assert types == {
        "llamacpp:prompt_tokens": "counter",
        "llamacpp:n_tokens_max": "unknown",
        "llamacpp:requests_processing": "gauge",
    }
    assert ("llamacpp:prompt_tokens_total", {"model": "a"}, 5.0) in series
    assert ("llamacpp:prompt_tokens_total", {"model": "b"}, 7.0) in series
    assert ("llamacpp:n_tokens_max", {"model": "a"}, 8.0) in series
    assert (len(series), failed) == (6, {"a": False, "b": False})


@pytest.mark.parametrize(
    "page",
    [
        None,
        b"",
        b"\xff\xfe\x00",
        b"<html>llamacpp:</html>",
        b'{"error": {"code": 501}}',
        b"llamacpp:x one\n",
        b"llamacpp:x{ 1\n",
        b"llamacpp:x " + b"9" * 900 + b"\n",
        b"llamacpp:x " + b"9" * 2000 + b"\n",
        b"swapd_requests_total 1000000\nprocess_cpu_seconds_total 3\n",
        b'# TYPE llamacpp:x histogram\nllamacpp:x_bucket{le="1"} 1\n',
        b'{"llamacpp:x", a="b"} 1\n',
        b'llamacpp:x{"a b"="c"} 1\n',
        b'llamacpp:x{__name__="swapd_leases"} 1\n',
    ],
)
def test_what_cannot_be_read_costs_only_its_own_series(page):
    _, series, failed = told(bad=page, good=PAGE)
    assert failed == {"bad": True, "good": False}
    assert {labels["model"] for _, labels, _ in series} == {"good"}


def test_an_engine_cannot_speak_for_another_nor_say_a_thing_twice():
    page = b'llamacpp:x{model="victim",b="1"} 1\nllamacpp:x{b="1",model="victim"} 2\n'
    _, series, _ = told(mallory=page)
    assert series == [("llamacpp:x", {"model": "mallory", "exported_model": "victim", "b": "1"}, 1.0)]


def test_a_flood_is_cut_short_and_soon():
    many = b"".join(b'llamacpp:x{n="%d"} 1\n' % n for n in range(100_000))
    slow = (b'llamacpp:x{a="' + b"\\\\" * 480 + b'"} 1\n') * 250
    begun = time.process_time()
    _, series, failed = told(many=many, slow=slow, text=b'llamacpp:x{a="' + b"y" * 900 + b'"} 1\n')
    assert time.process_time() - begun < 2.0
    assert sum(labels["model"] == "many" for _, labels, _ in series) == foreign.SERIES
    assert [len(labels["a"]) for _, labels, _ in series if labels["model"] == "text"] == [foreign.TEXT]
    assert not failed["many"]
