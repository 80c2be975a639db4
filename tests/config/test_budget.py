"""Memory and counters: what the machine may give and who takes how much."""

from __future__ import annotations

import pytest

M = "path: /dev/null"


GIB = 1 << 30
NO_SIZE = "is memory: give it a size such as 22GiB, not"


@pytest.mark.parametrize("budget", ["", "budget:\n", "budget: {}\n"])
def test_without_a_budget_memory_is_measured_and_nothing_is_counted(loaded, budget):
    catalog = loaded(f"{budget}models: {{m: {{{M}}}}}").catalog
    assert (catalog.budget, catalog.measured, catalog.reserve) == ({}, True, None)
    assert catalog.models["m"].terms.cost == {}


@pytest.mark.parametrize(
    ("written", "budget", "measured", "reserve"),
    [
        ("engines: 2", {"engines": 2}, False, None),
        ("ram: 48GiB", {"ram": 48 * GIB}, True, None),
        ("CUDA0: 22GiB, engines: 2", {"CUDA0": 22 * GIB, "engines": 2}, True, None),
        ("reserve: 1GiB", {}, True, GIB),
        ("reserve: 512MiB, big: 1", {"big": 1}, True, GIB // 2),
    ],
)
def test_the_budget_is_what_is_written_and_only_counters_alone_leave_memory_unmeasured(
    loaded, written, budget, measured, reserve
):
    catalog = loaded(f"budget: {{{written}}}\nmodels: {{}}").catalog
    assert (catalog.budget, catalog.measured, catalog.reserve) == (budget, measured, reserve)


def test_engines_are_counted_beside_memory_where_the_budget_names_them(loaded):
    catalog = loaded(f"budget: {{ram: 8GiB, engines: 2}}\nmodels: {{m: {{{M}, needs: {{ram: 3GiB}}}}}}").catalog
    assert catalog.models["m"].terms.cost == {"engines": 1, "ram": 3 * GIB}


def test_a_budget_without_engines_does_not_count_them(loaded):
    catalog = loaded(f"budget: {{big: 1}}\nmodels: {{a: {{{M}}}, b: {{{M}, needs: {{big: 1}}}}}}").catalog
    assert catalog.budget == {"big": 1}
    assert [spec.terms.cost for spec in catalog.models.values()] == [{}, {"big": 1}]


def test_needs_may_say_how_many_engines_a_model_counts_for(loaded):
    text = (
        f"budget: {{engines: 2}}\nmodels: {{a: {{{M}, needs: {{engines: 0}}}}, b: {{{M}, needs: {{engines: 2}}}}}}"
    )
    assert [spec.terms.cost for spec in loaded(text).catalog.models.values()] == [{}, {"engines": 2}]


MEMORY = [
    "ram",
    "CUDA0",
    "Vulkan1",
    "ROCm12",
    "SYCL0",
    "HIP0",
    "MUSA0",
    "CANN0",
    "OpenCL0",
    "RPC0",
    "Metal",
    "MTL0",
]


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_known_by_its_name_and_takes_sizes(loaded, name):
    catalog = loaded(f"budget: {{{name}: 2GiB}}\nmodels: {{m: {{{M}, needs: {{{name}: 1.5GiB}}}}}}").catalog
    assert catalog.budget == {name: 2 * GIB}
    assert catalog.models["m"].terms.cost == {name: 3 * GIB // 2}


@pytest.mark.parametrize("amount", ["0", "0GiB", "3", "1.5", "22gib", "22G", "lots"])
def test_memory_without_a_size_is_a_problem(problems, amount):
    assert problems(f"budget: {{CUDA0: {amount}}}\nmodels: {{}}") == [
        f"swapd.yaml:1:17: budget.CUDA0: {NO_SIZE} '{amount}'"
    ]


def test_a_size_that_is_none_is_told_with_how_to_write_one(problems):
    assert problems(f"budget: {{ram: -1GiB}}\nmodels: {{m: {{{M}, needs: {{ram: 1xB}}}}}}") == [
        "swapd.yaml:1:15: budget.ram: '-1GiB' is not a size: write it like 512MiB, 22GiB or 100MB",
        "swapd.yaml:2:44: models.m.needs.ram: '1xB' is not a size: write it like 512MiB, 22GiB or 100MB",
    ]


@pytest.mark.parametrize("amount", ["0", "1"])
def test_a_reserve_without_a_size_is_a_problem(problems, amount):
    assert problems(f"budget: {{reserve: {amount}}}\nmodels: {{}}") == [
        f"swapd.yaml:1:19: budget.reserve: is memory: give it a size such as 1GiB, not '{amount}'"
    ]


def test_a_need_of_memory_without_a_size_is_a_problem(problems):
    assert problems(f"models: {{m: {{{M}, needs: {{CUDA0: 9}}}}}}") == [
        f"swapd.yaml:1:46: models.m.needs.CUDA0: {NO_SIZE} '9'"
    ]


@pytest.mark.parametrize("none", ["0", "0GiB"])
def test_that_a_model_takes_no_memory_is_the_operator_s_word_and_is_kept(spec, none):
    text = f"defaults: {{needs: {{CUDA0: 1GiB, ram: 1GiB}}}}\nmodels: {{m: {{{M}, needs: {{CUDA0: {none}}}}}}}"
    assert spec(text).terms.cost == {"CUDA0": 0, "ram": GIB}


@pytest.mark.parametrize("name", ["big", "CUDA", "CUDA00", "gpu0"])
def test_a_size_of_a_plain_counter_is_a_problem(problems, name):
    told = (
        "'22GiB' is a size, and this is a plain counter: write a whole number, or name memory such as ram or CUDA0"
    )
    assert problems(f"budget: {{{name}: 22GiB}}\nmodels: {{}}") == [
        f"swapd.yaml:1:{12 + len(name)}: budget.{name}: {told}"
    ]


@pytest.mark.parametrize(
    ("written", "meant"), [("cuda0", "CUDA0"), ("RAM", "ram"), ("vulkan1", "Vulkan1"), ("rocm0", "ROCm0")]
)
def test_memory_that_is_spelt_otherwise_than_the_engine_does_is_a_problem(problems, written, meant):
    told = f"is spelt '{meant}': upper and lower case count"
    text = f"budget: {{{written}: 9GiB}}\nmodels: {{m: {{{M}, needs: {{{written}: 1GiB}}}}}}"
    assert problems(text) == [
        f"swapd.yaml:1:10: budget.{written}: {told}",
        f"swapd.yaml:2:39: models.m.needs.{written}: {told}",
    ]


def test_a_letter_that_only_looks_like_one_of_a_device_makes_a_plain_counter(loaded):
    assert loaded("budget: {\u017fYCL0: 1}\nmodels: {}").catalog.budget == {"\u017fYCL0": 1}


def test_a_reserve_that_is_spelt_otherwise_is_a_problem(problems):
    told = "is spelt 'reserve': upper and lower case count"
    assert problems("budget: {Reserve: 9GiB}\nmodels: {}") == [f"swapd.yaml:1:10: budget.Reserve: {told}"]


def test_no_model_takes_the_reserve(problems):
    told = "is what stays free, no model takes it: name memory such as ram or CUDA0"
    assert problems(f"budget: {{reserve: 1GiB}}\nmodels: {{m: {{{M}, needs: {{reserve: 1}}}}}}") == [
        f"swapd.yaml:2:39: models.m.needs.reserve: {told}"
    ]


@pytest.mark.parametrize("budget", ["", "budget: {ram: 9GiB}\n", "budget: {reserve: 1GiB, engines: 2}\n"])
def test_memory_that_the_budget_does_not_name_may_be_needed_where_memory_is_measured(problems, budget):
    assert problems(f"{budget}models: {{m: {{{M}, needs: {{CUDA0: 9GiB}}}}}}") == []


def test_memory_may_not_be_needed_where_only_counters_are_given(problems):
    assert problems(f"budget: {{engines: 2}}\nmodels: {{m: {{{M}, needs: {{CUDA0: 9GiB}}}}}}") == [
        "swapd.yaml:2:39: models.m.needs.CUDA0: the budget has no 'CUDA0': add it under 'budget'"
    ]


def test_without_a_budget_there_is_no_counter_to_need(problems):
    assert problems(f"models: {{m: {{{M}, needs: {{engines: 1}}}}}}") == [
        "swapd.yaml:1:39: models.m.needs.engines: the budget has no 'engines': add it under 'budget'"
    ]


def test_a_need_that_the_budget_does_not_name_is_a_problem(problems):
    assert problems(f"budget: {{large: 1}}\nmodels: {{m: {{{M}, needs: {{lage: 1}}}}}}") == [
        "swapd.yaml:2:39: models.m.needs.lage: the budget has no 'lage' (did you mean 'large'?): "
        "add it under 'budget'"
    ]


def test_a_wrong_amount_is_told_once(problems):
    assert problems(f"budget: {{big: -1}}\nmodels: {{m: {{{M}, needs: {{big: 1}}}}}}") == [
        "swapd.yaml:1:15: budget.big: '-1' is not a count: write a whole number such as 1"
    ]


def test_more_pinned_than_fits_is_a_problem(problems):
    text = f"budget: {{engines: 1}}\nmodels:\n  a: {{{M}, pinned: true}}\n  b: {{{M}, pinned: true}}\n"
    assert problems(text) == [
        "swapd.yaml:4:32: models.b.pinned: more is pinned than fits: 2 of 'engines' are needed and "
        "the budget has 1; unpin a model or raise the budget"
    ]


def test_a_model_that_can_never_fit_is_a_warning(warnings):
    assert warnings(f"budget: {{big: 2}}\nmodels: {{m: {{{M}, needs: {{big: 3}}}}}}") == [
        "swapd.yaml:2:38: models.m.needs: can never be loaded: 3 of 'big' are needed and the budget has 2; "
        "raise the budget or lower its needs"
    ]


def test_a_model_that_can_never_fit_beside_the_pinned_ones_is_a_warning(warnings):
    text = (
        f"budget: {{engines: 2}}\nmodels:\n  a: {{{M}, pinned: true}}\n  b: {{{M}, pinned: true}}\n  c: {{{M}}}\n"
    )
    assert warnings(text) == [
        "swapd.yaml:5:3: models.c.needs: can never be loaded beside the pinned a, b: "
        "3 of 'engines' are needed and the budget has 2; raise the budget or lower its needs"
    ]


def test_what_fits_beside_the_pinned_ones_is_no_warning(warnings):
    assert warnings(f"budget: {{engines: 2}}\nmodels: {{a: {{{M}, pinned: true}}, b: {{{M}}}, c: {{{M}}}}}") == []


def test_memory_that_can_never_fit_is_told_in_sizes(warnings, problems):
    text = "budget: {CUDA0: 22GiB}\nmodels:\n"
    assert warnings(f"{text}  m: {{{M}, needs: {{CUDA0: 22.5GiB}}}}") == [
        "swapd.yaml:3:31: models.m.needs: can never be loaded: 22.5GiB of 'CUDA0' are needed and the budget has "
        "22GiB; raise the budget or lower its needs"
    ]
    both = "".join(f"  {name}: {{{M}, needs: {{CUDA0: 12GiB}}, pinned: true}}\n" for name in "ab")
    assert problems(text + both) == [
        "swapd.yaml:4:55: models.b.pinned: more is pinned than fits: 24GiB of 'CUDA0' are needed and the "
        "budget has 22GiB; unpin a model or raise the budget"
    ]
