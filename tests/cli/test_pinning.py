"""``swapd pin`` and ``unpin``, and an address that has a path too many."""

from __future__ import annotations

from dataclasses import replace

from swapd.core.events import CatalogChanged, PinWished


async def test_a_model_is_pinned_and_unpinned(front, swapd):
    done = await swapd("pin", "gpt-4o")
    assert (done.exit_code, done.stdout) == (0, "alpha is pinned, and will be loaded (it is cold)\n")
    done = await swapd("unpin", "org/beta")
    assert (done.exit_code, done.stdout) == (0, "org/beta is not pinned any more (it is cold)\n")
    assert front.gate.posted == [PinWished("alpha", pinned=True), PinWished("org/beta", pinned=False)]


async def test_a_pin_that_never_fits_says_why_and_exits_1(front, swapd):
    catalog = front.gate.catalog
    alpha = replace(catalog.models["alpha"], terms=replace(catalog.models["alpha"].terms, cost={"slots": 3}))
    front.gate.hears(CatalogChanged(replace(catalog, models={"alpha": alpha}, budget={"slots": 2})))
    done = await swapd("pin", "alpha")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "it needs 3 of slots, the budget has 2" in done.stderr


async def test_help_says_how_long_a_pin_holds(swapd):
    for verb in ("pin", "unpin"):
        assert "reload --exec" in " ".join((await swapd(verb, "--help")).stdout.split())


async def test_an_address_for_clients_is_told_from_the_daemons_own(front, swapd):
    done = await swapd("status", "--url", f"http://127.0.0.1:{front.port}/v1/")
    assert done.exit_code == 1
    assert f"use http://127.0.0.1:{front.port} as --url" in done.stderr
