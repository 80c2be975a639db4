"""Names of llama-swap behind which other models stand: selectors, profiles, and the models of peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapd.importers.sheet import Names, Sheet, held, left, listed, mapping, text
from swapd.importers.swap_keys import filters, odd_keys, timeouts
from swapd.importers.swap_macros import Macros

_CHOOSE = {"warm": "warm", "spillover": "spread", "pin": "first"}
_PEER_KEYS = {"proxy", "apiKey", "models", "filters", "timeouts", "name", "description", "tailcatKey"}
_NO_PROFILES = "swapd has no set of names to switch at runtime: change an alias or a pool, then `swapd reload`"


def selectors(given: Any, known: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """The ``pools``, and what could not be said. ``known``: every name that may be asked for -> its model."""
    pools: dict[str, Any] = {}
    lost: list[str] = []
    for name, each in mapping(given).items():
        selector = mapping(each)
        strategy = text(selector.get("strategy")) or "pin"
        targets = [text(target) for target in listed(selector.get("targets"))]
        targets = targets[:1] if strategy == "pin" else targets
        models = list(dict.fromkeys(known[target] for target in targets if target in known))
        lost += [left(f"selector '{name}': {t}", "there is no such model") for t in targets if t not in known]
        if edited := [target for target in targets if known.get(target, target) != target]:
            lost.append(left(f"selector '{name}'", f"{held(edited)}: a pool names models, not their aliases"))
        if not models or name in known or strategy not in _CHOOSE:
            lost.append(left(f"selector '{name}'", "it leads to no model, or its name is one's already"))
            continue
        pools[name] = {"models": models, "choose": _CHOOSE[strategy]}
        if strategy == "spillover":
            why = "'spread' takes the model with the most free slots, and counts them itself"
            lost.append(left(f"selector '{name}': settings.spillover", why))
        if odd := [key for key in selector if key not in ("strategy", "targets", "settings")]:
            lost.append(left(f"selector '{name}': {held(odd)}", "a pool is listed by its name alone"))
    return pools, lost


def profiles(given: Any) -> list[str]:
    """Why none of them is carried over, with what each did."""
    lost = []
    for name, each in mapping(given).items():
        if isinstance(each, list):
            what = held(text(model) for model in each)
            lost.append(left(f"profile '{name}' ({what})", "models that fit the memory run together here anyway"))
            continue
        pins = mapping(mapping(each).get("pins"))
        what = ", ".join(f"{pin} -> {text(target) or 'nothing'}" for pin, target in pins.items())
        lost.append(left(f"profile '{name}' ({what})", _NO_PROFILES))
    return lost


def peers(
    given: Any, macros: Macros, names: Names, local: set[str], usual_start: bool
) -> tuple[list[Sheet], list[str]]:
    """A model for each that a peer serves, as ``peer/model``; by its bare name too where that is nobody else's.

    And lines about the peers that cannot be reached from here.
    """
    offered: dict[str, int] = {}
    for each in mapping(given).values():
        for name in dict.fromkeys(text(model) for model in listed(mapping(each).get("models"))):
            offered[name] = offered.get(name, 0) + 1
    sheets, lost = [], []
    for peer, each in mapping(given).items():
        address = macros.fill(text(mapping(each).get("proxy")))
        if not address.startswith(("http://", "https://", "${")):
            lost.append(left(f"peer '{peer}' at {address}", "swapd asks others by http:// or https:// only"))
            continue
        for model in dict.fromkeys(text(name) for name in listed(mapping(each).get("models"))):
            sheet = Sheet(names.fresh(f"{peer}/{model}"))
            _peer(sheet, mapping(each), model, macros)
            if offered[model] == 1 and model not in local and " " not in model:
                sheet.keys["aliases"] = [model]
            if usual_start:
                sheet.keys["start_timeout"] = "30s"
            sheets.append(sheet)
    return sheets, lost


def _peer(sheet: Sheet, peer: dict[str, Any], model: str, macros: Macros) -> None:
    sheet.keys["url"] = macros.fill(text(peer.get("proxy"))).rstrip("/")
    sheet.keys["health"] = "/v1/models"
    sheet.keys["upstream_model"] = model
    if key := macros.fill(text(peer.get("apiKey"))):
        sheet.keys["api_key"] = key
    filters(sheet, mapping(peer.get("filters")), macros)
    timeouts(sheet, peer.get("timeouts"), macros)
    odd_keys(sheet, [key for key in peer if key not in _PEER_KEYS], "a peer")
