"""What a client may have within a window and at once: refused when it is full, told when to come again."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapd.core.settings import ClientKey, Window
from swapd.web.errors import Problem
from swapd.web.quota import RATE_LIMITED, Quotas


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quotas(clock: Clock) -> Quotas:
    return Quotas(clock)


def laptop(requests=None, tokens=None, concurrency=None) -> ClientKey:
    return ClientKey("laptop", "secret", requests=requests, tokens=tokens, concurrency=concurrency)


def refusal(quotas: Quotas, client: ClientKey) -> Problem:
    with pytest.raises(Problem) as caught:
        quotas.enter(client)
    return caught.value


def serve(quotas: Quotas, client: ClientKey, tokens: int = 0) -> None:
    quotas.enter(client)
    quotas.leave(client, tokens)


def rate(problem: Problem, things: str) -> list[str]:
    """What the headers say: limit, remaining, reset."""
    return [problem.headers[f"x-ratelimit-{word}-{things}"] for word in ("limit", "remaining", "reset")]


def test_a_client_without_limits_is_never_refused_whatever_others_are(quotas):
    quotas.enter(laptop(concurrency=1))
    refusal(quotas, laptop(concurrency=1))
    for _ in range(1000):
        quotas.enter(ClientKey("desk", "secret"))


def test_a_full_window_of_requests_says_how_many_within_what_and_when_to_come_again(quotas, clock):
    client = laptop(requests=Window(120, 60))
    for _ in range(120):
        serve(quotas, client)
        clock.now += 0.25
    clock.now += 18.0
    problem = refusal(quotas, client)
    assert problem.form is RATE_LIMITED
    assert problem.message == (
        "cannot take the request: client 'laptop' has had 120 requests within 1 min (rate); try again in 12 s"
    )
    assert problem.headers["Retry-After"] == "12"
    assert rate(problem, "requests") == ["120", "0", "42s"]
    assert "x-ratelimit-limit-tokens" not in problem.headers
    clock.now += 12.0
    quotas.enter(client)
    refusal(quotas, client)


def test_tokens_that_are_reached_refuse_the_next_request_and_all_that_run_may_end(quotas, clock):
    client = laptop(requests=Window(10, 10), tokens=Window(1000, 3600))
    serve(quotas, client, 999)
    quotas.enter(client)
    quotas.enter(client)
    clock.now += 9.75
    quotas.leave(client, 500)
    quotas.leave(client, 500)
    problem = refusal(quotas, client)
    assert problem.message.endswith("has had 1999 of 1000 tokens within 1 h (rate); try again in 3600 s")
    assert problem.headers["Retry-After"] == "3600"
    assert rate(problem, "requests") == ["10", "7", "250ms"]
    assert rate(problem, "tokens") == ["1000", "0", "1h0m0s"]


def test_tokens_of_requests_that_end_within_a_sixtieth_of_the_window_go_together_with_the_last(quotas, clock):
    client = laptop(tokens=Window(10, 60))
    for passed in (0.0, 0.75, 0.25):
        clock.now += passed
        serve(quotas, client, 4)
    clock.now += 59.25
    problem = refusal(quotas, client)
    assert problem.headers["Retry-After"] == "1"
    assert rate(problem, "tokens") == ["10", "0", "750ms"]
    clock.now += 0.5  # the first two are gone
    serve(quotas, client, 6)
    refusal(quotas, client)
    clock.now += 0.25
    quotas.enter(client)


def test_as_many_requests_at_once_as_concurrency_allows_and_one_more_when_one_ends(quotas):
    client = laptop(concurrency=2)
    quotas.enter(client)
    quotas.enter(client)
    problem = refusal(quotas, client)
    assert problem.message.endswith("client 'laptop' has 2 requests under way (concurrency); try again in 1 s")
    assert problem.headers == {"Retry-After": "1"}
    quotas.leave(client)
    quotas.enter(client)
    refusal(quotas, client)


def test_of_two_limits_that_are_full_the_one_that_stays_so_the_longer_is_named(quotas, clock):
    client = laptop(requests=Window(1, 90), concurrency=1)
    quotas.enter(client)
    assert refusal(quotas, client).message.endswith("has had 1 request within 90 s (rate); try again in 90 s")
    clock.now += 89.5
    assert refusal(quotas, client).message.endswith("has 1 request under way (concurrency); try again in 1 s")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.0625, "63ms"), (0.9995, "1s"), (12, "12s"), (59.5, "1m0s"), (90, "1m30s"), (3605, "1h0m5s")],
)
def test_the_time_until_nothing_counts_is_written_as_go_does(quotas, clock, seconds, written):
    client = laptop(requests=Window(2, seconds), concurrency=1)
    clock.now = 0.0
    quotas.enter(client)
    assert refusal(quotas, client).headers["x-ratelimit-reset-requests"] == written


def test_a_wait_that_rounding_leaves_nothing_of_is_a_second_all_the_same(quotas, clock):
    client = laptop(requests=Window(1, 3600))
    clock.now = 831.6548454972765
    quotas.enter(client)
    clock.now = 4431.654845497276
    headers = refusal(quotas, client).headers
    assert (headers["Retry-After"], headers["x-ratelimit-reset-requests"]) == ("1", "0s")


def test_a_leave_too_many_makes_no_room_and_counts_no_tokens(quotas):
    client = laptop(tokens=Window(10, 60), concurrency=1)
    quotas.leave(client, 10)
    serve(quotas, client)
    quotas.leave(client, 10)
    quotas.enter(client)
    refusal(quotas, client)


def test_a_window_that_a_reload_changes_finds_what_was_had_before(quotas, clock):
    for _ in range(4):
        quotas.enter(laptop(requests=Window(10, 60)))
        clock.now += 1.0
    assert refusal(quotas, laptop(requests=Window(2, 60))).headers["Retry-After"] == "58"
    assert refusal(quotas, laptop(requests=Window(2, 5))).headers["Retry-After"] == "3"
    quotas.enter(laptop(requests=Window(3, 60)))


def test_a_request_that_outlasts_a_reload_does_not_shorten_the_memory_of_tokens(quotas, clock):
    minute, hour = laptop(tokens=Window(100, 60)), laptop(tokens=Window(100, 3600))
    quotas.enter(hour)
    quotas.leave(hour, 99)
    quotas.enter(minute)
    clock.now += 600.0
    quotas.leave(minute, 1)
    assert refusal(quotas, hour).headers["Retry-After"] == "3000"


def test_a_forgotten_client_begins_anew_when_its_last_request_has_ended(quotas):
    client = laptop(requests=Window(1, 60))
    serve(quotas, client)
    quotas.forget(["laptop", "nobody"])
    quotas.enter(client)
    quotas.forget(["laptop"])
    quotas.leave(client)
    quotas.enter(client)


def test_a_forgotten_client_that_comes_back_before_its_last_request_has_ended_was_never_gone(quotas):
    client = laptop(requests=Window(2, 60), concurrency=1)
    quotas.enter(client)
    quotas.forget(["laptop"])
    assert "concurrency" in refusal(quotas, client).message
    quotas.leave(client)
    serve(quotas, client)
    assert "rate" in refusal(quotas, client).message


def test_memory_holds_a_window_however_many_come(quotas, clock):
    client = laptop(requests=Window(100, 60), tokens=Window(10**9, 3600))
    tracemalloc.start()
    for _ in range(10_000):  # in two hours
        clock.now += 0.7
        serve(quotas, client, 5)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 32_000  # bytes; a stamp for every request would be 320 000


@dataclass
class Naive:
    """The same rules over plain lists of (when, how many), nothing ever thrown away."""

    begun: list[tuple[float, int]] = field(default_factory=list)
    taken: list[tuple[float, int]] = field(default_factory=list)
    running: int = 0

    def is_busy(self, client: ClientKey) -> bool:
        return client.concurrency is not None and self.running >= client.concurrency

    def left(self, client: ClientKey, now: float) -> list[float]:
        """Of requests and of tokens."""
        pairs = (client.requests, self.begun), (client.tokens, self.taken)
        return [
            window.amount - sum(n for at, n in past if now - at < window.seconds) if window else math.inf
            for window, past in pairs
        ]

    def wait(self, client: ClientKey, now: float) -> int:
        """Whole seconds until the windows have room: at one of the moments when something leaves one."""
        lengths = [window.seconds for window in (client.requests, client.tokens) if window]
        ends = [now] + [at + seconds for at, _ in self.begun + self.taken for seconds in lengths]
        return max(1, math.ceil(min(t for t in ends if t >= now and min(self.left(client, t)) > 0) - now))


windows = st.none() | st.builds(Window, st.integers(1, 6), st.sampled_from([15.0, 60.0, 240.0]))
"""A sixtieth of each is a number that floats hold exactly."""
clients = st.builds(laptop, windows, windows, st.none() | st.integers(1, 3))
steps = st.tuples(st.sampled_from([0, 0, 0.25, 0.5, 1, 3, 14.75, 59.5]), st.none() | st.integers(0, 4))
"""Seconds that pass, and then a request that begins (None) or ends with so many tokens."""
quick = settings(max_examples=150, derandomize=True, deadline=None)


@quick
@given(clients, st.lists(steps, max_size=40))
def test_requests_and_waits_are_exact_and_tokens_are_never_counted_too_short(client, plan):
    clock, naive = Clock(), Naive()
    quotas = Quotas(clock)
    for passed, tokens in plan:
        clock.now += passed
        if tokens is not None:
            quotas.leave(client, tokens)
            if naive.running:
                naive.running -= 1
                naive.taken.append((clock.now, tokens))
            continue
        try:
            quotas.enter(client)
        except Problem as problem:
            check_refusal(client, naive, clock.now, problem)
        else:
            assert min(naive.left(client, clock.now)) > 0 and not naive.is_busy(client)
            naive.running += 1
            naive.begun.append((clock.now, 1))


def check_refusal(client: ClientKey, naive: Naive, now: float, problem: Problem) -> None:
    """There was no room; and it says how much and how long, a bucket's width too much where it is of tokens."""
    longer = client.tokens and Window(client.tokens.amount, client.tokens.seconds * 61 / 60)
    late = replace(client, tokens=longer)
    assert naive.is_busy(client) or min(naive.left(late, now)) <= 0
    assert naive.wait(client, now) <= int(problem.headers["Retry-After"]) <= naive.wait(late, now)
    (requests, most), (_, least) = naive.left(client, now), naive.left(late, now)
    if client.requests:
        assert rate(problem, "requests")[1] == str(requests)
    if client.tokens:
        assert max(0, least) <= int(rate(problem, "tokens")[1]) <= max(0, most)


reloads = st.tuples(st.sampled_from([0, 0.25, 2, 7]), st.integers(1, 6), st.sampled_from([2, 8]))
"""Seconds that pass, and then a request within a window of such an amount and length."""


@quick
@given(st.lists(reloads, max_size=40))
def test_a_window_that_reloads_change_counts_what_was_had_but_for_what_an_earlier_one_let_go(plan):
    clock, begun, kept = Clock(), [], []
    quotas = Quotas(clock)
    for passed, amount, seconds in plan:
        clock.now += passed
        client = laptop(requests=Window(amount, seconds))
        kept = [at for at in kept if clock.now - at < seconds][-amount:]
        if len(kept) < amount:
            quotas.enter(client)
            kept.append(clock.now)
            begun.append(clock.now)
        else:
            refusal(quotas, client)
            assert sum(clock.now - at < seconds for at in begun) >= amount
