"""Needs and ways: the arithmetic of placing a model, on files of a known size."""

from __future__ import annotations

import pytest

from swapd.core.need import RAM, Need, Source, Way
from swapd.machine.asked import layers_asked
from swapd.machine.estimate import estimate
from swapd.machine.needs import GPU_CONTEXT, HOST, PROCESS, learned, told, weigh, with_operator
from tests.tiny_gguf import write_set

MIB, GIB = 1 << 20, 1 << 30
LAYERS = 4
"""Of the tiny chat models, the output counted."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("models"))


@pytest.fixture
def line(folder):
    """A command with a megabyte of weights and a gigabyte of cache, so that shares can be seen."""
    return ["llama-server", "-m", str(folder / "alpha.gguf"), "-c", str(1 << 20), "-np", "1"]


def on(*budgets: int) -> list[tuple[str, int]]:
    return [(f"CUDA{n}", budget) for n, budget in enumerate(budgets)]


def test_without_a_gpu_all_of_it_is_ram(line):
    need = weigh(line, [], choose=True)
    assert need.ways == (Way({RAM: estimate(line).total}),)
    assert need.source is Source.HEADER
    assert "KV cache" in need.detail


@pytest.mark.parametrize("flags", [["-ngl", "0"], ["--device", "none"], ["--n-gpu-layers", "0", "-ngl", "0"]])
def test_a_line_that_wants_no_gpu_gets_ram(line, flags):
    assert [set(way.cost) for way in weigh([*line, *flags], on(8 * GIB), choose=True).ways] == [{RAM}]
    assert layers_asked([*line, *flags]) == 0


def test_each_gpu_that_holds_the_model_is_a_way(line):
    whole = estimate(line).total + GPU_CONTEXT
    need = weigh([*line, "--device", "${device}"], on(8 * GIB, whole - 1, whole), choose=True)
    assert need.ways == (
        Way({"CUDA0": whole, RAM: HOST}, ("CUDA0",)),
        Way({"CUDA2": whole, RAM: HOST}, ("CUDA2",)),
    )


def test_a_model_too_large_for_one_gpu_is_split_by_their_budgets_over_the_fewest(line):
    total = estimate(line).total
    budgets = total * 3 // 4 + GPU_CONTEXT, total // 2 + GPU_CONTEXT, GPU_CONTEXT
    (way,) = weigh(line, on(*budgets), choose=True).ways
    assert way.devices == ("CUDA0", "CUDA1")
    assert way.cost["CUDA0"] + way.cost["CUDA1"] == pytest.approx(total + 2 * GPU_CONTEXT, abs=2)
    share = budgets[0] / (budgets[0] + budgets[1])
    assert way.cost["CUDA0"] == pytest.approx(total * share + GPU_CONTEXT, abs=2)


def test_a_model_that_fits_nowhere_takes_all_gpus_and_leaves_the_rest_in_ram(line):
    total = estimate(line).total
    (way,) = weigh(line, on(GPU_CONTEXT + 100 * MIB, GPU_CONTEXT + 50 * MIB), choose=True).ways
    assert way.cost["CUDA0"] == GPU_CONTEXT + 100 * MIB
    assert way.cost["CUDA1"] == GPU_CONTEXT + 50 * MIB
    assert way.cost[RAM] == total - 150 * MIB + HOST
    assert way.devices == ("CUDA0", "CUDA1")


@pytest.mark.parametrize(
    "flags", [["-ngl", "all"], ["-ngl", "99"], ["--fit", "off"], ["--gpu-layers", str(LAYERS)]]
)
def test_a_model_that_must_be_whole_and_cannot_says_its_true_cost(line, flags):
    (way,) = weigh([*line, *flags], on(GIB), choose=True).ways
    assert way.cost == {"CUDA0": estimate(line).total + GPU_CONTEXT, RAM: HOST}


def test_layers_asked_by_number_take_their_share_and_the_cache_follows_them(line):
    found = estimate(line)
    (way,) = weigh([*line, "-ngl", "1"], on(8 * GIB), choose=True).ways
    follows = found.weights + found.cache
    assert way.cost["CUDA0"] == pytest.approx(follows / LAYERS + found.margin + GPU_CONTEXT, abs=2)
    assert way.cost[RAM] == pytest.approx(follows * (LAYERS - 1) / LAYERS + HOST, abs=2)


def test_a_cache_that_is_not_offloaded_stays_in_ram(line):
    found = estimate(line)
    (way,) = weigh([*line, "-nkvo"], on(8 * GIB), choose=True).ways
    assert way.cost == {"CUDA0": found.weights + found.margin + GPU_CONTEXT, RAM: found.cache + HOST}


def test_tensors_kept_in_ram_by_pattern_are_not_asked_of_the_gpu(line):
    plain = weigh(line, on(8 * GIB), choose=True).ways[0].cost
    moved = weigh([*line, "-ot", r"ffn_(up|down|gate)\.weight=CPU"], on(8 * GIB), choose=True).ways[0].cost
    kept = moved[RAM] - plain[RAM]
    assert kept == plain["CUDA0"] - moved["CUDA0"]
    assert kept == pytest.approx(3 * 3 * 128 * 512 * 2, rel=0.01)  # three matrices of three layers, in 16 bits
    assert weigh([*line, "-ot", r"ffn_up\.weight=CUDA0"], on(8 * GIB), choose=True).ways[0].cost == plain


def test_a_pattern_that_is_none_is_told(line):
    need = weigh([*line, "-ot", "ffn_(=CPU"], on(8 * GIB), choose=True)
    assert need.ways == ()
    assert "--override-tensor" in need.detail


def test_without_a_choice_the_engine_takes_all_gpus_and_the_way_names_none(line):
    (way,) = weigh(line, on(8 * GIB, 4 * GIB), choose=False).ways
    assert way.devices == ()
    assert way.cost["CUDA0"] - GPU_CONTEXT == pytest.approx(2 * (way.cost["CUDA1"] - GPU_CONTEXT), abs=4)


def test_devices_that_the_line_names_are_the_only_way(line):
    for choose in (True, False):
        (way,) = weigh([*line, "-dev", "CUDA1"], on(8 * GIB, 4 * GIB), choose).ways
        assert way.devices == ("CUDA1",)
        assert set(way.cost) == {"CUDA1", RAM}


def test_a_named_device_that_is_not_there_is_still_asked_for(line):
    (way,) = weigh([*line, "-dev", "CUDA7", "-ngl", "99"], on(8 * GIB), choose=False).ways
    assert way.cost["CUDA7"] == estimate(line).total + GPU_CONTEXT


def test_the_operators_split_is_kept(line):
    (way,) = weigh([*line, "-ts", "3,1"], on(8 * GIB, 8 * GIB), choose=False).ways
    assert way.cost["CUDA0"] - GPU_CONTEXT == pytest.approx(3 * (way.cost["CUDA1"] - GPU_CONTEXT), abs=4)


@pytest.mark.parametrize(("main", "device"), [([], "CUDA0"), (["-mg", "1"], "CUDA1"), (["-mg", "9"], "CUDA0")])
def test_split_mode_none_uses_one_gpu(line, main, device):
    (way,) = weigh([*line, "-sm", "none", *main], on(8 * GIB, 8 * GIB), choose=False).ways
    assert set(way.cost) == {device, RAM}


def test_very_many_gpus_are_no_burden(line):
    total = estimate(line).total
    ways = weigh(line, on(*[total // 8 + GPU_CONTEXT] * 16), choose=True).ways
    assert 1 <= len(ways) <= 32


def test_what_cannot_be_read_is_unknown_and_says_why(folder, tmp_path):
    assert (
        weigh(["docker", "run", "x"], on(GIB), True).detail
        == "the command names no model file whose header could be read"
    )
    missing = weigh(["x", "-m", str(tmp_path / "no.gguf")], on(GIB), True)
    assert missing == Need((), Source.UNKNOWN, f"cannot read {tmp_path / 'no.gguf'}: No such file or directory")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes((folder / "alpha.gguf").read_bytes()[:200])
    assert "cut short" in weigh(["x", "-m", str(broken)], [], False).detail
    assert weigh(["x", "-m", "a\0b"], [], False).source is Source.UNKNOWN
    assert weigh(["x", "-m", str(tmp_path)], [], False).source is Source.UNKNOWN
    assert weigh(["x", "-m"], [], False).source is Source.UNKNOWN


def test_what_was_learned_holds_where_it_was_seen_and_on_devices_of_the_same_kind():
    devices = [("CUDA0", 8 * GIB), ("CUDA1", 4 * GIB), ("Vulkan2", 8 * GIB)]
    need = learned({"CUDA1": GIB, RAM: 5}, devices, choose=True, load=3.5)
    assert need.ways == (Way({"CUDA1": GIB, RAM: 5}, ("CUDA1",)), Way({RAM: 5, "CUDA0": GIB}, ("CUDA0",)))
    assert (need.source, need.load) == (Source.LEARNED, 3.5)
    assert need.detail == "measured: CUDA1 1024 MiB + ram 0 MiB"


def test_what_was_learned_on_two_gpus_goes_to_two_the_larger_part_to_the_roomier():
    devices = on(4 * GIB, 6 * GIB, 8 * GIB)
    ways = learned({"CUDA0": 3 * GIB, "CUDA1": 2 * GIB, RAM: 5}, devices, choose=True).ways
    assert ways[0] == Way({"CUDA0": 3 * GIB, "CUDA1": 2 * GIB, RAM: 5}, ("CUDA0", "CUDA1"))
    assert {way.devices: way.cost["CUDA2"] for way in ways[1:]} == {
        ("CUDA2", "CUDA1"): 3 * GIB,
        ("CUDA2", "CUDA0"): 3 * GIB,
    }


def test_a_gpu_that_is_gone_is_no_way_while_another_is_there():
    assert [way.devices for way in learned({"CUDA5": GIB}, on(GIB), choose=True).ways] == [("CUDA0",)]
    assert [way.devices for way in learned({"CUDA5": GIB}, [("Vulkan0", GIB)], choose=True).ways] == [("CUDA5",)]


def test_without_a_choice_what_was_learned_is_the_way():
    assert learned({"CUDA1": GIB, RAM: 5}, on(GIB, GIB), choose=False).ways == (Way({"CUDA1": GIB, RAM: 5}),)


def test_the_engines_word_is_rounded_up_by_what_it_does_not_count():
    assert told({"CUDA0": GIB, RAM: MIB}, on(8 * GIB), choose=False).ways == (
        Way({"CUDA0": GIB + GPU_CONTEXT, RAM: MIB + HOST}),
    )
    need = told({RAM: GIB, "CUDA0": 0}, on(8 * GIB), choose=True)
    assert need.ways == (Way({RAM: GIB + PROCESS}),)
    assert need.source is Source.ENGINE


HEADER = Need(
    (Way({"CUDA0": 9, RAM: 1}, ("CUDA0",)), Way({"CUDA1": 9, RAM: 1}, ("CUDA1",))), Source.HEADER, "told", 2.0
)


def test_the_operators_amount_replaces_that_of_its_resource():
    need = with_operator(HEADER, {RAM: 7 * MIB, "engines": 1})
    assert [way.cost for way in need.ways] == [
        {"CUDA0": 9, RAM: 7 * MIB, "engines": 1},
        {"CUDA1": 9, RAM: 7 * MIB, "engines": 1},
    ]
    assert need.source is Source.HEADER
    assert need.detail == "told; ram 7 MiB set by the operator"
    assert need.load == 2.0


def test_an_operator_who_gives_all_memory_is_the_source():
    need = with_operator(HEADER, {"CUDA1": 4, RAM: 2})
    assert need.ways == (Way({"CUDA1": 4, RAM: 2}, ("CUDA1",)),)
    assert need.source is Source.OPERATOR


@pytest.mark.parametrize("given", [{"CUDA5": 4}, {"CUDA0": 4, "CUDA1": 3}])
def test_the_gpus_that_an_operator_gives_are_all_used_and_no_other(given):
    assert with_operator(HEADER, given).ways == (Way({RAM: 1, **given}, tuple(given)),)


def test_a_gpu_given_as_nothing_is_none_to_run_on():
    assert with_operator(HEADER, {"CUDA0": 0}).ways == (Way({"CUDA0": 0, "CUDA1": 9, RAM: 1}, ("CUDA1",)),)
    assert with_operator(HEADER, {"CUDA0": 0, "CUDA1": 4}).ways == (
        Way({"CUDA0": 0, "CUDA1": 4, RAM: 1}, ("CUDA1",)),
    )
    idle = Need((Way({"CUDA0": 0, "CUDA1": 9, RAM: 1}, ("CUDA1",)),), Source.LEARNED)
    assert with_operator(idle, {"CUDA0": 0}).ways == idle.ways


def test_where_no_gpu_may_be_used_ram_alone_is_the_way():
    neither = {"CUDA0": 0, "CUDA1": 0}
    ram = Way({RAM: 10})
    both = Need((*HEADER.ways, ram), Source.HEADER)
    assert with_operator(both, neither).ways == (Way({RAM: 10, **neither}),)
    assert with_operator(HEADER, neither).ways == (Way({RAM: 1, **neither}),)
    assert with_operator(Need((), Source.UNKNOWN), {"CUDA0": 0, RAM: 5}).ways == (Way({"CUDA0": 0, RAM: 5}),)


def test_what_is_wholly_the_operators_has_nothing_to_explain():
    assert with_operator(HEADER, {"CUDA1": 4, RAM: 2, "engines": 1}).detail == ""
    assert with_operator(Need(HEADER.ways, Source.LEARNED), {RAM: MIB}).detail == "ram 1 MiB set by the operator"


def test_an_operator_makes_an_unknown_need_known_by_memory_alone():
    unknown = Need((), Source.UNKNOWN, "no file")
    known = with_operator(unknown, {"CUDA0": 4 * MIB})
    assert known == Need((Way({"CUDA0": 4 * MIB}, ("CUDA0",)),), Source.OPERATOR)
    assert with_operator(unknown, {"engines": 1}) == unknown
    assert with_operator(HEADER, {}) == HEADER
