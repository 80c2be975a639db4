"""Names behind which several models stand."""

from __future__ import annotations

import pytest

from swapd.core.spec import Pool

MODELS = "models: {ann: {path: /x, aliases: [al]}, bob: {path: /y}}\n"


def test_a_pool_names_its_models_in_their_order_and_may_be_the_default(loaded):
    found = loaded(
        f"default_model: p\npools: {{p: {{models: [bob, ann]}}, q: {{models: [ann], choose: spread}}}}\n{MODELS}"
    )
    assert found.problems == ()
    assert found.catalog.pools == {"p": Pool("p", ("bob", "ann")), "q": Pool("q", ("ann",), "spread")}
    assert found.catalog.resolve("p") is None
    assert found.catalog.pool("p:latest") is found.catalog.pools["p"]
    assert "'q1'" not in found.catalog.near("q2")


@pytest.mark.parametrize(
    ("pools", "told"),
    [
        ("{p: {models: [ann, bobb]}}", "27: pools.p.models[1]: there is no model 'bobb' (did you mean 'bob'?)"),
        ("{p: {models: [ann, ann]}}", "27: pools.p.models[1]: 'ann' is in the pool already: remove it here"),
        ("{p: {models: [al]}}", "22: pools.p.models[0]: 'al' is an alias: name its model 'ann'"),
        (
            "{p: {models: [p]}}",
            "22: pools.p.models[0]: 'p' is a pool: name its models, a pool in a pool is not possible",
        ),
        ("{p: {models: []}}", "21: pools.p.models: is empty: list at least one model"),
        ("{p: {choose: first}}", "9: pools.p: names no models: list them under 'models'"),
        ("{p: }", "9: pools.p: names no models: list them under 'models'"),
        ("{p: 3}", "12: pools.p: must be a mapping of keys ('models', 'choose'), not '3'"),
        ("{p: {models: ann}}", "21: pools.p.models: must be a list, not "),
        ("{ann: {models: [bob]}}", "9: pools.ann: 'ann' is already the name of a model: choose another name"),
        ("{al: {models: [bob]}}", "9: pools.al: 'al' is already an alias of 'ann': choose another name"),
        ("{'a b': {models: [bob]}}", "9: pools.a b: 'a b' cannot be a name"),
        ("{p: {models: [bob], choose: best}}", "36: pools.p.choose: "),
    ],
)
def test_what_is_wrong_with_a_pool_is_told_where_it_stands(problems, pools, told):
    (found,) = problems(f"pools: {pools}\n{MODELS}")
    assert found.startswith(f"swapd.yaml:1:{told}")


def test_a_clients_pattern_may_match_a_pool_only(loaded):
    clients = "clients: {a: {key: sk-12345, models: [p]}}\n"
    found = loaded(f"{clients}pools: {{p: {{models: [ann]}}}}\n{MODELS}")
    assert not [warning for warning in found.warnings if "matches" in warning.message]
