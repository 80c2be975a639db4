"""Traces: what is written comes back, what makes no sense is counted, what is no trace is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapd.lab.trace import KEPT, Answer, BadTrace, Request, header, line, load_line, read

REQUEST = Request(12.5, "coder", 4.25, "agent", 0.125, "served", Answer(0.5, 512, 80))
seconds = st.integers(0, 10**9).map(lambda tenths: tenths / 10**4)
counts = st.none() | st.integers(0, 10**9)
names = st.text('aZ é模🦙"\\\n', min_size=1, max_size=9)
requests = st.builds(
    Request,
    seconds,
    names,
    seconds,
    names | st.just(""),
    seconds,
    st.sampled_from(["served", "cancelled", "failed"]),
    st.builds(Answer, st.none() | seconds, counts, counts),
)


@given(st.lists(requests, min_size=1, max_size=8))
def test_what_is_written_comes_back_by_arrival(written):
    trace = read([header(), *map(line, written)])
    assert list(trace.requests) == sorted(written, key=lambda request: request.arrival)
    assert (trace.skipped, trace.warning) == (0, "")


def test_a_line_is_one_plain_object_without_what_is_not_known():
    assert line(REQUEST) == (
        b'{"arrival":12.5,"model":"coder","service":4.25,"client":"agent","waited":0.125,"outcome":"served",'
        b'"first_byte":0.5,"prompt":512,"completion":80}\n'
    )
    assert line(Request(1.0, "a", 2.0)).endswith(b'"outcome":"served"}\n')
    assert line(Request(1.0, "a", 2.0, answer=Answer(prompt=7))).endswith(b'"outcome":"served","prompt":7}\n')


def test_a_trace_of_old_calls_the_tokens_by_other_names():
    old = '{"arrival": 1, "model": "a", "service": 2, "first_byte": 0.5, "tokens_in": 512, "tokens_out": 80}'
    assert read([header(), old]).requests[0].answer == Answer(0.5, 512, 80)


def test_model_and_seconds_are_all_that_a_request_must_tell():
    trace = read(['{"swapd_trace": 1}', '{"arrival": 1, "model": "a", "service": 2, "from": "a later version"}'])
    assert trace.requests == (Request(1.0, "a", 2.0),)


def test_it_lasts_until_the_last_lease_ended():
    trace = read([header(), line(Request(1.0, "a", 30.0, waited=5.0)), line(Request(9.0, "b", 1.0))])
    assert trace.duration == 36.0


def test_load_seconds_are_the_median_of_those_seen_else_what_the_header_tells():
    seen = [load_line("a", s) for s in (30.0, 4.0, 5.0)]
    trace = read([header({"a": 9.0, "b": 2.5}), *seen, line(REQUEST)])
    assert trace.loads == {"a": 5.0, "b": 2.5}


def test_a_second_header_goes_on_where_the_recording_before_it_ended():
    trace = read([header(), line(Request(10.0, "a", 5.0)), header({"b": 3.0}), line(Request(2.0, "b", 1.0))])
    assert [(request.arrival, request.model) for request in trace.requests] == [(10.0, "a"), (17.0, "b")]
    assert (trace.duration, trace.loads) == (18.0, {"b": 3.0})


GARBAGE = [
    "half a li",
    b'{"arrival": 1, "model": "a", "service": 2',
    b"\xff\xfe\x00",
    b'{"arrival": 1, "model": "\xff", "service": 2}',
    '{"arrival": 1, "model": "\udcff", "service": 2}',
    "[1, 2]",
    "null",
    '{"arrival": -1, "model": "a", "service": 2}',
    '{"arrival": "1", "model": "a", "service": 2}',
    '{"arrival": 1e999, "model": "a", "service": 2}',
    '{"arrival": 1790000000, "model": "a", "service": 2}',
    '{"arrival": NaN, "model": "a", "service": 2}',
    '{"arrival": 1, "model": "", "service": 2}',
    '{"arrival": 1, "model": "a"}',
    '{"arrival": 1, "model": "a", "service": 2, "tokens_in": -3}',
    '{"arrival": 1, "model": "a", "service": 2, "completion": -3}',
    '{"load": "a", "seconds": null}',
    '{"swapd_trace": "one"}',
    '{"swapd_trace": true}',
    '{"swapd_trace": 1, "loads": {"a": "quick"}}',
    '{"deep": ' + "[" * 100_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: repr(text[:30]))
def test_a_line_that_makes_no_sense_is_skipped_and_named(garbage):
    trace = read([header(), line(REQUEST), garbage, line(REQUEST)])
    assert (len(trace.requests), trace.skipped) == (2, 1)
    assert trace.warning.startswith("1 line skipped: line 3: ")


@given(st.lists(st.binary(max_size=30) | st.text(max_size=30), max_size=5))
def test_no_line_whatever_it_holds_stops_the_reading(lines):
    assert read([header(), line(REQUEST), *lines]).requests[0] == REQUEST


def test_only_the_first_few_are_remembered():
    trace = read([header(), *["?"] * 20, line(REQUEST)])
    assert (trace.skipped, len(trace.why)) == (20, KEPT)
    assert trace.warning.startswith("20 lines skipped: line 2: ") and trace.warning.endswith("; and 15 more")


def test_empty_lines_are_nothing():
    assert read(["\n", header(), "", "  \n", line(REQUEST)]).skipped == 0


@pytest.mark.parametrize("lines", [[], [header()], [header(), load_line("a", 3.0)]])
def test_a_trace_without_requests_is_refused(lines):
    with pytest.raises(BadTrace, match="it holds no request; record for longer"):
        read(lines)


def test_a_trace_of_nothing_but_garbage_is_refused_with_the_reasons():
    with pytest.raises(BadTrace, match=r"it holds no request \(1 line skipped: line 2: "):
        read([header(), "?"])


@pytest.mark.parametrize("first", [line(REQUEST), "?", b"\x7fELF", '{"swapd_trace": 0}', '{"swapd_trace": null}'])
def test_a_file_that_does_not_begin_with_a_header_is_no_trace(first):
    with pytest.raises(BadTrace, match="cannot read the trace: line 1 is not a header"):
        read([first, header(), line(REQUEST)])


def test_a_trace_from_a_newer_version_is_refused_wherever_it_says_so():
    newer = '{"swapd_trace": 2}'
    for lines in ([newer, line(REQUEST)], [header(), line(REQUEST), newer]):
        with pytest.raises(BadTrace, match="it is of version 2 and this swapd reads 1"):
            read(lines)
