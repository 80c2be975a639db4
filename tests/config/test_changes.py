"""What an edit means."""

from __future__ import annotations

import pytest

from swapd.config import Changes, changes

BEFORE = """\
budget: {engines: 2}
models:
  a: {path: /a, ttl: 1m, aliases: [x]}
  b: {path: /b, aliases: {y: {set: {t: 0}}}}
"""


@pytest.fixture
def edited(loaded):
    def compare(before: str, after: str) -> Changes:
        old, new = loaded(before), loaded(after)
        assert old.problems == new.problems == ()
        return changes(old.catalog, new.catalog, old.settings, new.settings)

    return compare


@pytest.mark.parametrize(
    ("was", "becomes", "means"),
    [
        ("models:", "# a comment\nmodels:", Changes()),
        ("/a", "/a2", Changes(relaunched=("a",))),
        ("path: /a, ttl: 1m", "path: /a, threads: 2, ttl: 2m", Changes(relaunched=("a",))),
        ("ttl: 1m", "ttl: 60s", Changes()),
        ("ttl: 1m", "ttl: 2m", Changes(retuned=("a",))),
        ("[x]", "[x, z]", Changes(retuned=("a",))),
        ("[x]", "[]", Changes(retuned=("a",))),
        ("t: 0", "t: 1", Changes(retuned=("b",))),
        ("t: 0", "t: false", Changes(retuned=("b",))),
        ("t: 0", "t: 0.0", Changes(retuned=("b",))),
        ("ttl: 1m", "ttl: 1m, metadata: {n: [0]}", Changes(retuned=("a",))),
        ("[x]", "[y]", Changes(retuned=("a", "b"))),
        ("  b: ", "  c: ", Changes(added=("c",), removed=("b",))),
        ("engines: 2", "engines: 3", Changes(settings=("budget",))),
        ("engines: 2}", "engines: 2, ram: 1GiB}", Changes(settings=("budget",))),
        ("engines: 2}", "engines: 2, reserve: 1GiB}", Changes(settings=("budget",))),
        ("budget: {engines: 2}", "", Changes(retuned=("a", "b"), settings=("budget",))),
        ("models:", "default_model: a\nmodels:", Changes(settings=("default_model",))),
        ("models:", "pools: {p: {models: [a]}}\nmodels:", Changes(settings=("pools",))),
        ("models:", "scheduling: {queue: 1}\nmodels:", Changes(settings=("scheduling",))),
        ("models:", "log: {level: debug}\nlimits: {body: 1}\nmodels:", Changes(settings=("limits", "log"))),
        ("models:", "admin: {key: k}\ninsecure: true\nmodels:", Changes(settings=("admin", "insecure"))),
        ("models:", "clients: {a: {key: sk-12345}}\nmodels:", Changes(settings=("clients",))),
        ("models:", "listen: 127.0.0.1:1\nmodels:", Changes(needs_restart=("listen",))),
        ("models:", "state_dir: /s\ntrace: /t\nmodels:", Changes(needs_restart=("state_dir", "trace"))),
        ("models:", "adoption: 5m\nmodels:", Changes(needs_restart=("adoption",))),
        ("ttl: 1m", "ttl: 1m, restart: never", Changes(retuned=("a",))),
        ("ttl: 1m", "ttl: 1m, nice: 5", Changes(relaunched=("a",))),
    ],
)
def test_only_what_was_edited_changes(edited, was, becomes, means):
    after = BEFORE.replace(was, becomes, 1)
    if becomes == "[y]":
        after = after.replace("{y: ", "{x: ")
    assert after != BEFORE
    change = edited(BEFORE, after)
    assert change == means
    assert bool(change) == (means != Changes())
    models = means.added or means.removed or means.relaunched or means.retuned
    assert change.of_catalog == bool(
        models or {"budget", "scheduling", "default_model", "pools"} & set(means.settings)
    )


def test_an_alias_that_moves_from_a_removed_model_retunes_its_new_one(edited):
    after = "budget: {engines: 2}\nmodels:\n  a: {path: /a, ttl: 1m, aliases: {x: {}, y: {set: {t: 0}}}}\n"
    assert edited(BEFORE, after) == Changes(removed=("b",), retuned=("a",))


def test_whether_memory_is_measured_at_all_is_a_change_of_the_budget(edited):
    before, after = "budget: {}\nmodels: {}", "budget: {big: 1}\nmodels: {}"
    assert edited(before, after) == Changes(settings=("budget",))
    assert edited("budget: {ram: 1GiB}\nmodels: {}", "budget: {ram: 1024MiB}\nmodels: {}") == Changes()


def test_the_words_name_what_changed():
    assert Changes().words() == "nothing changed"
    change = Changes(added=("a", "b"), retuned=("c",), needs_restart=("listen",))
    assert change.words() == "added: a, b; retuned: c; in force once swapd is restarted: listen"
    change = Changes(needs_restart=("state_dir", "trace"), settings=("log",))
    assert change.words() == (
        "settings: log; in force once swapd is restarted: state_dir; "
        "in force after `swapd reload --exec`, or a restart: trace"
    )
