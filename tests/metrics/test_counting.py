"""What is counted, under which names, and that it stays bounded whatever clients say."""

from __future__ import annotations

from dataclasses import dataclass, field

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.answered import Answered
from swapd.core.commands import Cause, Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.need import Reading
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import ClientKey, Settings
from swapd.core.spec import Alias, Catalog, Launch, Pool
from swapd.metrics.families import BOUNDS, OTHER, Histogram, Tally
from swapd.metrics.happenings import Happenings
from swapd.metrics.requests import Requests
from swapd.metrics.table import METRICS
from tests.core.play import model

A, B = RunId("a", 1), RunId("b", 1)
HERE = Endpoint("127.0.0.1", 9300)
CHAT = "/v1/chat/completions"


@dataclass
class Config:
    catalog: Catalog = field(
        default_factory=lambda: Catalog(
            {name: model(name) for name in "ab"}, {"x": Alias("x", "b")}, pools={"p": Pool("p", ("a", "b"))}
        )
    )
    settings: Settings = field(default_factory=Settings)


def row(model: str, run: int | None = 1, client: str = "10.0.0.9", **more: object) -> Answered:
    what = {"ended": 1.0, "total": 2.0, "id": "i", "method": "POST", "route": CHAT, "status": 200, "code": ""}
    took = {"queued": 0.5, "loaded": 0.0, "first_byte": 0.2, "prompt": 7, "completion": 3}
    if run is None:
        took |= {"first_byte": None, "prompt": None, "completion": None}
    return Answered(**{**what, "client": client, "model": model, "run": run, **took, **more})


class Heard(Happenings):
    """With a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(lambda: self.now)

    def at(self, now: float, event: fact.Event, *commands: order.Command) -> Heard:
        self.now = now
        self.hear(event, commands)
        return self

    def sums(self, name: str) -> dict[tuple[str, ...], float]:
        family = self.families[f"swapd_{name}"]
        assert isinstance(family, Tally)
        return family.sums

    def seconds(self, name: str) -> dict[tuple[str, ...], float]:
        family = self.families[f"swapd_{name}"]
        assert isinstance(family, Histogram)
        return {labels: seen[-1] for labels, seen in family.seen.items()}


def test_a_request_is_counted_by_model_client_route_and_code():
    counted = Requests(Config(settings=Settings(clients=(ClientKey("ann", "k"),))))
    counted.hear([row("a", client="ann"), row("a", client="ann"), row("a", status=499, code="client_left")])
    families = counted.families
    assert families["swapd_requests_total"].copy() == {
        ("a", "ann", CHAT, "200"): 2,
        ("a", "anonymous", CHAT, "499"): 1,
    }
    assert families["swapd_tokens_total"].copy() == {("a", "in"): 21, ("a", "out"): 9}
    assert families["swapd_request_errors_total"].copy() == {("client_left",): 1}
    assert families["swapd_request_duration_seconds"].copy()["a", CHAT][-1] == 6.0
    assert families["swapd_queue_wait_seconds"].copy()[("a",)][-1] == 1.5


def test_names_that_clients_make_up_are_no_labels():
    counted = Requests(Config())
    counted.hear([row(f"made-up-{n}", None, client=f"10.0.{n % 256}.1", status=404) for n in range(1000)])
    counted.hear([row(name, None) for name in ("x", "x:latest", "p", "a", "")])
    assert counted.families["swapd_requests_total"].copy() == {
        ("unknown", "anonymous", CHAT, "404"): 1000,
        ("b", "anonymous", CHAT, "200"): 2,
        ("p", "anonymous", CHAT, "200"): 1,
        ("a", "anonymous", CHAT, "200"): 1,
        ("", "anonymous", CHAT, "200"): 1,
    }


def test_a_run_of_a_model_that_has_just_left_the_config_still_has_its_name():
    counted = Requests(Config(Catalog()))
    counted.hear([row("a")])
    assert [labels[0] for labels in counted.families["swapd_requests_total"].copy()] == ["a"]


def test_what_is_beyond_the_bound_is_counted_under_other():
    tally, histogram = Tally(most=3), Histogram(most=2)
    for n in range(10):
        tally.add((str(n), "200"))
        histogram.see((str(n),), 1.0)
    assert tally.copy() == {("0", "200"): 1, ("1", "200"): 1, ("2", "200"): 1, (OTHER, OTHER): 7}
    assert {labels: sum(seen[:-1]) for labels, seen in histogram.copy().items()} == {
        ("0",): 1,
        ("1",): 1,
        (OTHER,): 8,
    }


def test_a_span_is_in_the_first_bucket_that_is_no_shorter():
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[1], 1e9):
        histogram.see((), seconds)
    seen = histogram.copy()[()]
    assert (seen[0], seen[1], seen[len(BOUNDS)], seen[-1]) == (2, 1, 1, BOUNDS[0] + BOUNDS[1] + 1e9)


def test_a_swap_is_told_by_its_cause_and_its_parts_to_the_first_byte():
    heard = Heard().at(0, fact.Ticked(), order.Note(A, Why(Cause.EVICTED, "b")))
    heard.at(2, fact.Ticked(), order.Terminate(A, (), Why(Cause.DRAINED)))
    heard.at(3, fact.EngineExited(A, Exit(code=0)))
    heard.at(3.5, fact.MachineRead(Reading(3.5)), order.Spawn(B, Launch(("b",)), Why(Cause.PINNED)))
    heard.at(10.5, fact.EngineReady(B, HERE, listened=6.0))
    heard.answered([row("b", run=9), row("b", first_byte=None), row("b", first_byte=0.25), row("b")])
    assert heard.sums("swaps_total") == {("b", "pinned"): 1}
    assert heard.sums("engine_starts_total") == {("b", "pinned"): 1}
    assert heard.sums("engine_stops_total") == {("a", "evicted"): 1}
    assert heard.sums("engine_failures_total") == {}
    assert heard.sums("loads_total") == {("b",): 1}
    assert heard.seconds("load_duration_seconds") == {("b",): 7.0}
    assert heard.seconds("swap_duration_seconds") == {(): 10.5}
    parts = {"drain": 2.0, "stop": 1.0, "freed": 0.5, "spawn": 1.0, "load": 6.0, "first_byte": 0.25}
    assert heard.seconds("swap_part_duration_seconds") == {(part,): seconds for part, seconds in parts.items()}


def test_failures_are_told_apart_and_an_end_that_was_ordered_is_none():
    heard = Heard()
    heard.at(0, fact.EngineExited(A, Exit(code=1)))
    heard.at(0, fact.EngineExited(RunId("a", 2), Exit(signal="SIGKILL")))
    heard.at(0, fact.EngineExited(RunId("a", 3), Exit(reason="cannot find llama-server")))
    for n, cause in enumerate((Cause.OVERDUE, Cause.SICK, Cause.TTL), 4):
        run = RunId("a", n)
        heard.at(0, fact.Ticked(), order.Terminate(run, (), Why(cause))).at(
            0, fact.EngineExited(run, Exit(code=0))
        )
    reasons = ("exit", "signal", "start", "overdue", "sick")
    assert heard.sums("engine_failures_total") == {("a", reason): 1 for reason in reasons}
    assert heard.sums("engine_stops_total") == {("a", cause): 1 for cause in ("overdue", "sick", "ttl")}


def test_refusals_are_counted_by_reason_and_an_engine_found_alive_is_no_load():
    heard = Heard().at(0, fact.Ticked(), order.Refuse(fact.Ticket(1), Refusal(Reason.QUEUE_FULL, "a")))
    heard.at(0, fact.Ticked(), order.Adopt(A, Launch(("a",)), Why(Cause.FOUND), order.Way({})))
    heard.at(1, fact.EngineReady(A, HERE))
    none = {(reason.name.lower(),): 0 for reason in Reason}
    assert heard.sums("refusals_total") == none | {("queue_full",): 1}
    assert (heard.sums("loads_total"), heard.sums("engine_starts_total")) == ({}, {})


def test_nothing_of_what_has_ended_is_kept():
    heard = Heard()
    for n in range(1, 100):
        run = RunId("a", n)
        heard.at(n, fact.Ticked(), order.Spawn(run, Launch(("a",)), Why(Cause.ASKED)))
        heard.at(n, fact.EngineReady(run, HERE))
        heard.at(n, fact.Ticked(), order.Note(run, Why(Cause.EVICTED, "b")))
        heard.at(n, fact.Ticked(), order.Terminate(run, (), Why(Cause.DRAINED)))
        heard.at(n, fact.EngineExited(run, Exit(code=0)))
    assert (heard._began, heard._stopped, heard._drained) == ({}, set(), {})


def test_all_that_is_counted_is_in_the_table():
    counted = {*Requests(Config()).families, *Happenings().families}
    assert counted == {metric.name for metric in METRICS if metric.type in ("counter", "histogram")}
