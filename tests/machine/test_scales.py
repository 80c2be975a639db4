"""The scales as the desk knows them: events in, facts out, with meters and engines that do as they are told."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import replace

import pytest

from swapd.core.events import (
    Asked,
    EngineShort,
    MachineRead,
    Ticket,
    Weighed,
)
from swapd.core.need import RAM, Gauge, Source, Way
from swapd.core.spec import Launch
from swapd.machine.ledger import Loads
from swapd.machine.observed import words
from tests.ledgers import again
from tests.machine.playing import GIB, MIB, ONE, Machine, Play
from tests.processes import until


async def test_each_model_of_a_catalog_is_weighed_once(play):
    play.begin(play.spec("alpha"), play.spec("beta"))
    first = await play.weighed("alpha", Source.HEADER)
    await play.weighed("beta")
    assert first.need.ways[0].cost[RAM] > 256 * MIB
    play.tell(play.spec("alpha"), play.spec("beta"), play.spec("gamma"))
    await play.weighed("gamma")
    assert [e.model for e in play.events if isinstance(e, Weighed)] == ["alpha", "beta", "gamma"]


async def test_a_changed_launch_and_a_changed_word_of_the_operator_are_weighed_anew(play):
    play.begin(play.spec())
    before = (await play.weighed()).need
    play.tell(play.spec("alpha", "-ctk", "q8_0"))
    await until(lambda: play.events[-1] if isinstance(play.events[-1], Weighed) else None)
    told = await until(lambda: [e for e in play.events if isinstance(e, Weighed) and "q8_0" in e.launch.argv])
    assert told[0].need.ways[0].cost[RAM] < before.ways[0].cost[RAM]
    play.tell(play.spec("alpha", "-ctk", "q8_0", ram=GIB))
    assert (await play.weighed(source=Source.OPERATOR)).need.ways == (Way({RAM: GIB}),)


async def test_who_is_waited_for_is_weighed_before_the_others(play):
    play.tell(*(play.spec(name) for name in ("alpha", "beta", "gamma")))
    play.scales.use(play.machine)
    play.scales.begin(blind=False)
    play.scales.hear(Asked(Ticket(1), "gamma"), [])
    await play.weighed("beta")
    assert next(e.model for e in play.events if isinstance(e, Weighed)) == "gamma"


async def test_without_memory_in_the_budget_nothing_is_weighed_and_runs_are_remembered(play):
    play.begin(play.spec(), budget={"engines": 1})
    await play.up(Way({"engines": 1}), ram=100 * MIB)
    entry = (await until(play.entries))[0]
    assert entry.peak == {RAM: 100 * MIB}
    assert not [e for e in play.events if isinstance(e, Weighed)]


@pytest.mark.parametrize("content", [b"", b"GGUF\3\0\0\0", b"no model at all" * 100])
async def test_a_broken_file_is_answered_with_why(play, tmp_path, content):
    (tmp_path / "bad.gguf").write_bytes(content)
    play.folder = tmp_path
    play.begin(play.spec("bad"))
    need = (await play.weighed("bad", Source.UNKNOWN)).need
    assert "bad.gguf" in need.detail


async def test_a_bug_in_weighing_is_an_answer_too(play, monkeypatch, caplog):
    monkeypatch.setattr("swapd.machine.weighing.weigh", lambda *_: 1 / 0)
    play.begin(play.spec(), play.spec("beta", ram=GIB))
    assert "ZeroDivisionError" in (await play.weighed(source=Source.UNKNOWN)).need.detail
    assert (await play.weighed("beta")).need.source is Source.OPERATOR
    assert "cannot weigh alpha" in caplog.text


async def test_what_a_run_took_is_told_and_written_down(play, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    play.begin(play.spec())
    way = (await play.weighed()).need.ways[0]
    await play.up(way, ram=200 * MIB)
    learned = await play.weighed(source=Source.LEARNED)
    assert learned.need.ways == (Way({RAM: 200 * MIB}),)
    assert learned.need.load is not None
    assert "alpha#1 took 200 MiB of ram (23 % less than the predicted 261 MiB)" in caplog.text
    assert [r.levelname for r in caplog.records if "took" in r.message] == ["INFO"]
    play.exit()
    await play.scales.aclose()
    assert next(iter(again(tmp_path / "state")._entries.values())).predicted == dict(way.cost)


async def test_a_prediction_that_was_badly_wrong_is_a_warning(play, caplog):
    play.begin(play.spec())
    await play.up((await play.weighed()).need.ways[0], ram=3 * GIB)
    await play.weighed(source=Source.LEARNED)
    text = "took 3072 MiB of ram (1078 % more than the predicted 261 MiB)"
    assert [r.levelname for r in caplog.records if text in r.message] == ["WARNING"]


async def test_what_is_taken_after_the_first_requests_counts_too(play):
    play.begin(play.spec())
    await play.up((await play.weighed()).need.ways[0], ram=200 * MIB)
    await play.weighed(source=Source.LEARNED)
    play.machine.taken[ONE] = {RAM: 300 * MIB}
    play.serve()
    await until(lambda: play.entries()[0].steady == {RAM: 300 * MIB})
    assert (await play.weighed()).need.ways == (Way({RAM: 300 * MIB}),)
    assert play.entries()[0].loads.count == 1


async def test_a_change_of_less_than_a_hundredth_is_written_down_and_not_told(play):
    play.begin(play.spec())
    await play.up((await play.weighed()).need.ways[0], ram=200 * MIB)
    await play.weighed(source=Source.LEARNED)
    play.machine.taken[ONE] = {RAM: 201 * MIB}
    play.serve()
    await until(lambda: play.entries()[0].steady == {RAM: 201 * MIB})
    assert (await play.weighed()).need.ways == (Way({RAM: 200 * MIB}),)


async def test_an_engine_that_dies_while_it_loads_teaches_nothing(play):
    play.begin(play.spec())
    play.machine.taken[ONE] = {RAM: GIB}
    play.spawn((await play.weighed()).need.ways[0])
    await play.reads_again()
    play.exit()
    await play.reads_again()
    assert play.entries() == []


async def test_the_next_life_knows_the_need_and_the_seconds_at_once(play, tmp_path):
    play.begin(play.spec())
    await play.up((await play.weighed()).need.ways[0], ram=200 * MIB)
    learned = (await play.weighed(source=Source.LEARNED)).need
    await play.scales.aclose()
    other = Play(tmp_path, play.folder)
    other.begin(other.spec(), other.spec("beta"))
    assert (await other.weighed()).need == learned
    other.tell(other.spec("alpha", "-ctk", "q8_0"))
    assert (await other.weighed(source=Source.HEADER)).launch.argv[-1] == "q8_0"
    await other.scales.aclose()


GPUS = {"CUDA0": Gauge(8 * GIB, 8 * GIB), "CUDA1": Gauge(8 * GIB, 8 * GIB)}
BUDGET = {RAM: 8 * GIB, "CUDA0": 7 * GIB, "CUDA1": 7 * GIB}


async def test_what_was_learned_on_one_gpu_is_offered_on_its_sister(play):
    play.machine.gpus = dict(GPUS)
    play.begin(play.spec("alpha", "--device", "${device}"), budget=BUDGET)
    way = (await play.weighed(source=Source.HEADER)).need.ways[1]
    assert way.devices == ("CUDA1",)
    await play.up(way, CUDA0=0, CUDA1=GIB, ram=100 * MIB)
    ways = (await play.weighed(source=Source.LEARNED)).need.ways
    assert {way.devices: way.cost[way.devices[0]] for way in ways} == {("CUDA1",): GIB, ("CUDA0",): GIB}


async def test_an_engine_that_sees_no_gpu_is_weighed_in_ram(play):
    spec = play.spec("alpha", "--device", "${device}")
    spec = replace(spec, launch=Launch(("${binary}", *spec.launch.argv[1:])))
    play.begin(spec, play.spec("beta", "--device", "${device}"), budget=BUDGET, blind=True)
    assert (await play.weighed("alpha")).need.ways[0].devices == ()
    assert (await play.weighed("beta")).need.ways[0].devices == ("CUDA0",)


OWN_WORDS = [
    "load_tensors: offloaded 4/4 layers to GPU",
    "load_tensors:        CUDA0 model buffer size =  1000.00 MiB",
    "llama_kv_cache:      CUDA0 KV buffer size =    24.00 MiB",
]


async def test_where_the_driver_does_not_tell_the_engines_own_words_count(play):
    play.machine.gpus = dict(GPUS)
    play.machine.said = OWN_WORDS
    play.begin(play.spec("alpha", "--device", "${device}"), budget=BUDGET)
    way = (await play.weighed()).need.ways[0]
    await play.up(way, ram=100 * MIB)
    need = (await play.weighed(source=Source.ENGINE)).need
    assert need.ways[0].devices == ("CUDA0",)
    assert 1024 * MIB < need.ways[0].cost["CUDA0"] < 2 * GIB
    assert play.entries() == [], "a part of what it takes would be taken for all of it"
    before = play.machine.readings
    play.serve()
    await until(lambda: play.machine.readings > before)
    assert play.entries() == []


async def test_fewer_layers_than_asked_for_are_told(play, caplog):
    play.machine.said = ["load_tensors: offloaded 2/4 layers to GPU", *OWN_WORDS[1:]]
    play.begin(play.spec("alpha", "-ngl", "99"))
    await play.up((await play.weighed()).need.ways[0], ram=100 * MIB)
    short = await until(lambda: [e for e in play.events if isinstance(e, EngineShort)])
    assert "2 of 4 layers" in short[0].what
    assert "alpha#1 loaded less than was asked for" in caplog.text


async def test_after_an_exit_the_gpu_is_looked_at_until_its_memory_is_back(play):
    play.machine.gpus = dict(GPUS)
    play.begin(play.spec("alpha", "--device", "${device}"), budget=BUDGET)
    way = (await play.weighed()).need.ways[0]
    play.machine.gpus["CUDA0"] = Gauge(8 * GIB, 7 * GIB)
    await play.up(way, CUDA0=GIB, CUDA1=0, ram=100 * MIB)
    await play.weighed(source=Source.LEARNED)
    before = play.machine.readings
    play.exit()
    await until(lambda: play.machine.readings >= before + 4, 2.0)  # 5 s apart otherwise
    play.machine.gpus = dict(GPUS)
    free = Gauge(8 * GIB, 8 * GIB)
    last = await until(lambda: [e for e in play.events[-1:] if isinstance(e, MachineRead)])
    await until(lambda: play.events[-1].reading.gauges["CUDA0"] == free)
    assert last
    settled = play.machine.readings
    with pytest.raises(TimeoutError):
        await until(lambda: play.machine.readings > settled, 0.3)


async def test_a_problem_of_the_meters_is_logged_once(play, caplog):
    play.machine.problems.append("cannot read CUDA0: it fell off the bus")
    play.begin(play.spec())
    await play.up((await play.weighed()).need.ways[0], ram=100 * MIB)
    await play.weighed(source=Source.LEARNED)
    assert [r.message for r in caplog.records].count(play.machine.problems[0]) == 1


async def test_a_reading_that_fails_is_told_and_the_next_one_is_made(play, caplog):
    play.machine.broken = True
    play.begin(play.spec())
    await until(lambda: "cannot read the meters" in caplog.text)
    play.machine.broken = False
    await play.up((await play.weighed()).need.ways[0], ram=100 * MIB)
    await play.weighed(source=Source.LEARNED)


async def test_out_of_descriptors_the_last_reading_stays_and_it_is_said_once_in_a_line(play, caplog):
    play.machine.starved = 0
    play.begin(play.spec())
    play.spawn((await play.weighed()).need.ways[0])
    await until(lambda: play.machine.starved > 1)
    play.machine.starved = None
    await play.reads_again()
    (said,) = [record for record in caplog.records if record.levelname != "INFO"]
    assert said.message == (
        "cannot read the meters: Too many open files; going on with the last reading until it can be"
    )
    assert said.exc_info is None


async def test_better_meters_take_over_and_the_old_ones_are_let_go(play):
    play.begin(play.spec())
    await until(lambda: play.machine.readings)
    better = Machine(gpus=dict(GPUS))
    play.scales.use(better)
    await until(lambda: better.readings and play.machine.closed)
    await play.scales.aclose()
    assert better.closed


async def test_a_reading_under_way_ends_before_the_meters_are_closed(play):
    going, gate = threading.Event(), threading.Event()
    read = play.machine.read

    def slow(at, trees):
        going.set()
        gate.wait(5)
        assert not play.machine.closed
        return read(at, trees)

    play.machine.read = slow
    play.begin(play.spec())
    await until(going.is_set)
    closing = asyncio.ensure_future(play.scales.aclose())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert play.machine.readings == 1
    assert play.machine.closed


async def test_of_a_run_that_was_found_alive_is_learned_what_it_takes_and_not_how_it_loaded(play):
    play.begin(play.spec())
    await play.found(Way({RAM: GIB}), ram=300 * MIB)
    entry = (await until(play.entries))[0]
    assert (entry.loads, entry.peak, entry.steady, entry.predicted) == (Loads(), {}, {RAM: 300 * MIB}, {})
    assert [e.reading.taken for e in play.events if isinstance(e, MachineRead)][-1] == {ONE: {RAM: 300 * MIB}}
    play.machine.taken[ONE] = {RAM: 400 * MIB}
    play.scales._watch.now()
    await until(lambda: play.entries()[0].steady == {RAM: 400 * MIB})
    assert (await play.weighed(source=Source.LEARNED)).need.load is None


async def test_of_one_that_the_config_does_not_want_nothing_is_learned_but_it_is_watched(play, caplog):
    play.begin(play.spec())
    await play.weighed()
    await play.found(Way({RAM: GIB}), Launch(()), ram=300 * MIB)
    await play.reads_again()
    play.scales._watch.now()
    await play.reads_again()
    assert [e.reading.taken for e in play.events if isinstance(e, MachineRead)][-1] == {ONE: {RAM: 300 * MIB}}
    assert (play.entries(), caplog.messages) == ([], [])


def test_what_a_run_took_is_told_beside_what_was_predicted():
    said = {"CUDA0": 20 * GIB, RAM: 500 * MIB, "CUDA1": 0}
    assert words({"CUDA0": 18 * GIB}, said)[0] == "18.0 GiB of CUDA0 (10 % less than the predicted 20.0 GiB)"
    assert words({RAM: 600 * MIB}, said)[0] == "600 MiB of ram (20 % more than the predicted 500 MiB)"
    assert words({"CUDA0": 20 * GIB, "CUDA1": 0}, said) == ("20.0 GiB of CUDA0 (as predicted)", False)
    assert words({"CUDA1": 2 * GIB}, said) == ("2048 MiB of CUDA1 (100 % more than the predicted 0 MiB)", True)
    assert words({RAM: 7 * MIB}, {}) == ("7 MiB of ram", False)
