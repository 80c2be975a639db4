"""Every key arrives where the core expects it."""

from __future__ import annotations

from swapd.core.spec import Bounds, Edits, Launch, Listing, Retry, Rules, Service, Spec, Stay, Terms, Timeouts

RAW = "command: 'run --port ${port}'"


def test_a_bare_command_has_the_usual_terms(model):
    assert model(RAW) == Spec("m", Launch(("run", "--port", "${port}")), Terms(concurrency=4))


def test_every_key_arrives(model):
    keys = (
        f"{RAW}, env: {{B: 2, A: '${{port}}'}}, cwd: /tmp, health: /ok, ttl: never, preload: true, priority: -2, "
        "concurrency: 7, start_timeout: 1m, stop_grace: 2s, drain: never, stop: 'halt ${port} ${model}', "
        "upstream_model: u, request: {set: {a: 1}, default: {b: [x]}, strip: [c]}, "
        "timeouts: {connect: 1s, first_byte: never, idle: 3s, total: 4s}, retry: {attempts: 2, backoff: 1s}, "
        "unlisted: true, description: d, metadata: {k: {v: null}}, strict_json: true"
    )
    assert model(keys) == Spec(
        "m",
        Launch(("run", "--port", "${port}"), (("A", "${port}"), ("B", "2")), "/tmp", "/ok"),
        Terms(
            concurrency=7,
            priority=-2,
            stay=Stay(ttl=None, preload=True),
            bounds=Bounds(start=60, stop=2, drain=None),
            stop=("halt", "${port}", "m"),
            service=Service(
                "u",
                Edits({"a": 1}, {"b": ["x"]}, ("c",)),
                Timeouts(1, None, 3, 4),
                Retry(2, 1),
                Listing(True, "d", None, {"k": {"v": None}}),
                strict_json=True,
            ),
        ),
    )


def test_pinned_implies_preload_and_the_ttl_is_for_when_it_is_unpinned(model):
    assert model(f"{RAW}, pinned: true, ttl: 5m").terms.stay == Stay(ttl=300.0, pinned=True, preload=True)


def test_concurrency_is_what_runs_in_parallel(model):
    assert model("path: /x").terms.concurrency == 1
    assert model("path: /x, parallel: 3").terms.concurrency == 3
    assert model("path: /x, parallel: 3, concurrency: 9").terms.concurrency == 9
    assert model("command: 'run ${port} -np 6'").terms.concurrency == 6
    assert model("command: 'run ${port} --parallel=2'").terms.concurrency == 2
    assert model("command: 'run ${port}'").terms.concurrency == 4


def test_the_context_is_listed(model):
    assert model("path: /x, context: 4096").terms.service.listing.context == 4096
    assert model("path: /x, context: 0").terms.service.listing.context is None
    assert model("command: 'run ${port} --ctx-size 512'").terms.service.listing.context == 512
    assert model("command: 'run ${port} -c=512'").terms.service.listing.context == 512


def test_the_scheduling_arrives(loaded):
    rules = loaded("scheduling: {patience: 1s, linger: 0, queue: 2, wait: never}\nmodels: {}").catalog.rules
    assert rules == Rules(patience=1, linger=0, queue=2, wait=None)
    assert loaded("models: {}").catalog.rules == Rules()
