"""Counters: what the machine may give and who takes how much."""

from __future__ import annotations

import pytest

M = "path: /dev/null"


def test_without_a_budget_one_engine_at_a_time(loaded):
    catalog = loaded(f"models: {{m: {{{M}}}}}").catalog
    assert catalog.budget == {"engines": 1}
    assert catalog.models["m"].terms.cost == {"engines": 1}


def test_a_budget_without_engines_does_not_count_them(loaded):
    catalog = loaded(f"budget: {{big: 1}}\nmodels: {{a: {{{M}}}, b: {{{M}, needs: {{big: 1}}}}}}").catalog
    assert catalog.budget == {"big": 1}
    assert [spec.terms.cost for spec in catalog.models.values()] == [{}, {"big": 1}]


def test_needs_may_say_how_many_engines_a_model_counts_for(loaded):
    text = (
        f"budget: {{engines: 2}}\nmodels: {{a: {{{M}, needs: {{engines: 0}}}}, b: {{{M}, needs: {{engines: 2}}}}}}"
    )
    assert [spec.terms.cost for spec in loaded(text).catalog.models.values()] == [{}, {"engines": 2}]


@pytest.mark.parametrize("name", ["CUDA0", "Vulkan1", "ROCm0", "SYCL0", "Metal", "ram", "reserve"])
def test_memory_is_not_built_yet_by_name(problems, name):
    told = "is memory, which is not supported yet: use a plain counter such as engines: 1"
    assert problems(f"budget: {{{name}: 3}}\nmodels: {{}}") == [f"swapd.yaml:1:10: budget.{name}: {told}"]
    assert problems(f"models: {{m: {{{M}, needs: {{{name}: 3}}}}}}") == [
        f"swapd.yaml:1:39: models.m.needs.{name}: {told}"
    ]


def test_memory_is_not_built_yet_by_unit(problems):
    told = "memory sizes are not supported yet: use a plain counter such as engines: 1"
    assert problems("budget: {big: 22GiB}\nmodels: {}") == [f"swapd.yaml:1:15: budget.big: {told}"]


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
