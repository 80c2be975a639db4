"""One model of a llama-swap file: its command, how that is reached and stopped, and its names."""

from __future__ import annotations

import re
from typing import Any

from swapd.importers import engine, paths
from swapd.importers.prefix import assignments
from swapd.importers.quoting import joined, literal, split
from swapd.importers.sheet import Sheet, held, listed, mapping, told
from swapd.importers.sheet import text as plain
from swapd.importers.swap_keys import TAKEN, odd_keys, parameters
from swapd.importers.swap_macros import Macros

_PROXY = re.compile(r"https?://([^/:]+|\[[^]]+\])(?::([^/]+))?(/.*)?")
_LOCAL = {"localhost", "127.0.0.1", "0.0.0.0", "[::1]"}
_NO_PORT = "its cmd never says a port: add '--port ${PORT}', or what its server calls that"
_SIGNALS = {"kill", "pkill", "taskkill"}
_STARTED = {"ttl", "stop_grace"}
"""Keys of engines that swapd starts."""
_KNOWN = {*TAKEN, "cmd", "cmdStop", "proxy", "env", "aliases", "macros"}


def filled(name: str, given: dict[str, Any], macros: Macros, sheet: Sheet) -> str:
    """Put the model into the sheet. Why it is none, empty where it is one. Raises CannotImport."""
    own = macros.within(given.get("macros"), name)
    if why := _command(sheet, given, own):
        return why
    _stop(sheet, given, own)
    for key, take in TAKEN.items():
        if key in given:
            take(sheet, given[key], own)
    _names(sheet, name, given, own)
    for key in _STARTED.intersection(sheet.keys) if "url" in sheet.keys else ():
        sheet.leave(f"{key}: {sheet.keys.pop(key)}", "swapd stops what it started itself")
    odd_keys(sheet, [key for key in given if key not in _KNOWN], "a model")
    return ""


def _command(sheet: Sheet, given: dict[str, Any], macros: Macros) -> str:
    try:
        words = split(macros.fill(plain(given.get("cmd"))))
    except ValueError as error:
        return str(error)
    if not words:
        return "it has no cmd"
    env, wrong = assignments([macros.fill(plain(line)) for line in listed(given.get("env"))])
    for line in wrong:
        sheet.leave(f"env: {line}", "it is no assignment")
    proxy = macros.fill(plain(given.get("proxy"))) or "http://localhost:${port}"
    address = _PROXY.fullmatch(proxy)
    port = address[2] or "" if address else ""
    fixed = port if port.isdecimal() else ""
    if engine.fill(sheet, engine.Line(words, env, macros.meaning, fixed)):
        if "url" in sheet.keys and address and "${" not in proxy:
            sheet.keys["url"] = proxy
        paths.tell_program(sheet)
        if "url" not in sheet.keys:
            _tell_proxy(sheet, proxy, address)
        return ""
    return _elsewhere(sheet, proxy, words) if address and "${port}" not in proxy else _NO_PORT


def _tell_proxy(sheet: Sheet, proxy: str, address: re.Match[str] | None) -> None:
    if address is None:
        sheet.leave(f"proxy: {literal(proxy)}", "it is no address")
    elif address[1] not in _LOCAL:
        sheet.leave(f"proxy: {proxy}", "swapd reaches an engine that it starts on this machine's loopback")
    elif (address[3] or "/") != "/":
        sheet.leave(f"proxy: {proxy}", "an engine is asked at the root, not below a path")


def _elsewhere(sheet: Sheet, proxy: str, words: list[str]) -> str:
    """A command that cannot be told its port: what it starts can still be asked, if somebody starts it."""
    for key in ("command", "binary", "env", "nice", "cpus", "stop", "engine"):
        sheet.keys.pop(key, None)
    sheet.keys["url"] = proxy
    command = told(joined(words).replace("${", "$("))
    sheet.leave(
        f"cmd: {command}",
        "it never says the port that proxy has, so swapd could not choose one; start it yourself",
    )
    return ""


def _stop(sheet: Sheet, given: dict[str, Any], macros: Macros) -> None:
    stop = " ".join(macros.fill(plain(given.get("cmdStop"))).split())
    if not stop:
        return
    if "url" in sheet.keys or stop.split()[0] in _SIGNALS:
        if "url" in sheet.keys or "${PID}" not in stop:
            sheet.leave(f"cmdStop: {stop}", "swapd ends the engine that it started, and all its children")
    elif "${PID}" in stop:
        sheet.leave(f"cmdStop: {literal(stop)}", "a stop command is not told the process; swapd signals it itself")
    else:
        sheet.keys["stop"] = stop


def _names(sheet: Sheet, name: str, given: dict[str, Any], macros: Macros) -> None:
    """Its aliases, and those that ``setParamsByID`` makes, each with its own changes to a request."""
    aliases: dict[str, dict[str, Any]] = {}
    for each in listed(given.get("aliases")):
        alias = plain(mapping(each).get("id")) if isinstance(each, dict) else plain(each)
        if alias:
            aliases[macros.named(alias)] = {}
        if mapping(each).get("unlisted") is True:
            sheet.leave(f"alias '{alias}': unlisted", "an alias is listed, or its model is not")
    own: dict[str, Any] = {}
    for key, values in mapping(mapping(given.get("filters")).get("setParamsByID")).items():
        wanted = macros.named(str(key))
        if wanted == name:
            own = parameters(sheet, values, macros)
        else:
            aliases[wanted] = {"set": parameters(sheet, values, macros)}
    if own:
        _own_parameters(sheet, own, aliases)
    aliases.pop(name, None)
    if aliases:
        plain_ones = not any(aliases.values())
        sheet.keys["aliases"] = list(aliases) if plain_ones else aliases


def _own_parameters(sheet: Sheet, own: dict[str, Any], aliases: dict[str, dict[str, Any]]) -> None:
    """Set for all, as swapd changes a request for the model first: an alias that sets the same keys takes over."""
    request = sheet.keys.setdefault("request", {})
    request["set"] = {**request.get("set", {}), **own}
    bare = [alias for alias, edits in aliases.items() if not own.keys() <= edits.get("set", {}).keys()]
    if bare:
        sheet.remark(
            f"what is set for '{sheet.name}' alone is set for {held(bare)} too: aliases change it after that"
        )
