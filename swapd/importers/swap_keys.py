"""The keys of a llama-swap model that say how it is served, each by itself; its command is ``swap_model``'s."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from swapd.importers.sheet import Sheet, held, mapping, number, seconds
from swapd.importers.sheet import text as plain
from swapd.importers.swap_macros import Macros


def odd_keys(sheet: Sheet, keys: Iterable[str], what: str) -> None:
    """Keys that llama-swap does not have, and passes over in silence: misspelt, or of another version."""
    for key in keys:
        sheet.leave(f"'{key}'", f"llama-swap has no such key of {what}, and passes over it in silence")


def _ttl(sheet: Sheet, value: Any, _: Macros) -> None:
    if (idle := number(value)) is not None:  # -1 is the global one
        sheet.keys["ttl"] = seconds(idle)


def _unload(sheet: Sheet, value: Any, _: Macros) -> None:
    if wait := number(value):
        sheet.keys["stop_grace"] = seconds(wait)


def _health(sheet: Sheet, value: Any, macros: Macros) -> None:
    path = macros.fill(plain(value))
    if path == "none":
        sheet.leave(
            "checkEndpoint: none", "swapd asks before it calls an engine ready: say in 'health' what answers 200"
        )
    elif path and path.strip("/") != "health":
        sheet.keys["health"] = path if path.startswith("/") else f"/{path}"


def _upstream(sheet: Sheet, value: Any, macros: Macros) -> None:
    if name := macros.fill(plain(value)):
        sheet.keys["upstream_model"] = name


def _described(sheet: Sheet, value: Any, macros: Macros) -> None:
    if said := macros.named(plain(value)):
        sheet.keys["description"] = said


def _unlisted(sheet: Sheet, value: Any, _: Macros) -> None:
    if value is True:
        sheet.keys["unlisted"] = True


def _limit(sheet: Sheet, value: Any, _: Macros) -> None:
    if limit := int(number(value) or 0):
        sheet.keys["concurrency"] = limit
        sheet.notes["concurrency"] = "what is more waits, and is not refused with 429"


def _metadata(sheet: Sheet, value: Any, macros: Macros) -> None:
    kept = dict(sheet.keys.get("metadata", {}))
    for key, each in mapping(value).items():
        try:
            kept[key] = macros.data(each)
        except KeyError:
            sheet.leave(f"metadata.{key}", "the port is chosen anew for each start")
    if kept:
        sheet.keys["metadata"] = kept


def _capable(sheet: Sheet, value: Any, macros: Macros) -> None:
    """What is listed of it there; what may be asked of it, swapd sees by its command."""
    if mapping(value):
        sheet.keys["metadata"] = {**sheet.keys.get("metadata", {}), "capabilities": macros.data(value)}


_FILTERS = ("stripParams", "strip_params", "setParams", "setParamsByID")
"""The second is the older name of the first, which it still takes."""


def filters(sheet: Sheet, given: Any, macros: Macros) -> None:
    """``stripParams`` and ``setParams`` as ``request``."""
    said = mapping(given)
    strip = [
        word.strip()
        for word in macros.meaning(plain(said.get("stripParams") or said.get("strip_params"))).split(",")
    ]
    request: dict[str, Any] = {}
    if names := [name for name in dict.fromkeys(strip) if name and name != "model"]:
        request["strip"] = names
    if values := parameters(sheet, said.get("setParams"), macros):
        request["set"] = values
    if request:
        sheet.keys["request"] = request
    odd_keys(sheet, [key for key in said if key not in _FILTERS], "filters")


def parameters(sheet: Sheet, given: Any, macros: Macros) -> dict[str, Any]:
    """What a request's body is to hold; ``model`` is protected, and a path into it cannot be said."""
    found = {}
    for key, value in mapping(given).items():
        if key == "model":
            sheet.leave("setParams: model", "llama-swap protects it too")
        elif "." in key:
            sheet.leave(f"setParams: {key}", "'set' puts in whole keys, and no path into one")
        else:
            try:
                found[key] = macros.data(value)
            except KeyError:
                sheet.leave(f"setParams: {key}", "the port is chosen anew for each start")
    return found


def _display(sheet: Sheet, value: Any, macros: Macros) -> None:
    """A display name, of which there is none: it is listed besides."""
    if shown := macros.named(plain(value)):
        sheet.keys["metadata"] = {**sheet.keys.get("metadata", {}), "name": shown}


def _loading(sheet: Sheet, value: Any, _: Macros) -> None:
    if value is True:
        sheet.leave("sendLoadingState", "swapd puts no words of its own into answers; see 'keepalive_comments'")


def _compat(sheet: Sheet, value: Any, _: Macros) -> None:
    if mapping(value):
        sheet.leave("compat", "a websocket is a request like others, and starts its model")


_TIMEOUTS = {"connect": "connect", "responseHeader": "first_byte"}


def timeouts(sheet: Sheet, value: Any, _: Macros) -> None:
    """Those that swapd has too; 0 is none at all."""
    given = mapping(value)
    bounds = {ours: number(given.get(theirs)) for theirs, ours in _TIMEOUTS.items()}
    if found := {key: seconds(bound) for key, bound in bounds.items() if bound is not None}:
        sheet.keys["timeouts"] = found
    if others := [key for key in given if key not in _TIMEOUTS]:
        sheet.leave(f"timeouts: {held(others)}", "swapd sees to its connections itself")


TAKEN: dict[str, Callable[[Sheet, Any, Macros], None]] = {
    "ttl": _ttl,
    "unloadTimeout": _unload,
    "checkEndpoint": _health,
    "useModelName": _upstream,
    "description": _described,
    "name": _display,
    "metadata": _metadata,
    "capabilities": _capable,
    "unlisted": _unlisted,
    "concurrencyLimit": _limit,
    "filters": filters,
    "sendLoadingState": _loading,
    "compat": _compat,
    "timeouts": timeouts,
}
"""Key of a model -> what takes it over."""
