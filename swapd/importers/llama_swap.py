"""A llama-swap file. Its keys, defaults and ways are those of its configuration reference, late in 2026.

What it would refuse too (an unknown macro, macros in a circle) is refused here; what it passes over in silence (a
misspelt key, an unknown name) is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from swapd.core.draft import Draft
from swapd.importers import swap_routes, swap_turns, turns
from swapd.importers.sheet import (
    CannotImport,
    Names,
    Parse,
    Sheet,
    Source,
    held,
    left,
    listed,
    mapping,
    named,
    number,
    seconds,
    text,
)
from swapd.importers.swap_macros import Macros
from swapd.importers.swap_model import filled

LEAST_KEY = 8
"""Characters of a key that swapd takes."""
_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "error": "error"}
_OWN_LOG = "engines' output is in `swapd logs`, and what swapd does on its standard error"
_OWN_HISTORY = "swapd keeps no content of requests; `swapd events` and its metrics tell what happened"
_LEFT = {
    "logTimeFormat": "log lines carry RFC 3339 times",
    "logToStdout": _OWN_LOG,
    "metricsMaxInMemory": _OWN_HISTORY,
    "captureBuffer": _OWN_HISTORY,
    "store": _OWN_HISTORY,
    "ui": "the dashboard has no settings",
    "performance": "swapd reads its meters by itself",
    "sendLoadingState": "swapd puts no words of its own into answers; see 'keepalive_comments'",
    "upstream": "what is asked below /upstream always starts its model",
    "logRequests": _OWN_LOG,
    "startPort": "swapd picks a free port for each start",
    "tailcat": "swapd has no tunnel of its own: put one, or a VPN, before 'listen'",
}
"""Top-level keys that nothing here stands for, and why."""
_READ = {"models", "macros", "groups", "matrix", "routing", "healthCheckTimeout", "globalTTL", "unloadTimeout"}
_READ |= {"logLevel", "apiKeys", "profiles", "selectors", "peers", "hooks", "includeAliasesInList"}
_HEAD = (
    "llama-swap listened on port 8080 of all addresses; swapd listens on 127.0.0.1:9292 only: see 'listen'.",
    "llama-swap waited for ever for a silent engine; swapd waits 5m for its first byte, then 2m: see 'timeouts'.",
)
_ALONE = (
    "llama-swap ran one model at a time; swapd runs as many as fit the memory. For one at a time say "
    "`budget: {engines: 1, reserve: 1GiB}`."
)
_TURNS = (
    "Of each counter there is one, so models that need it take turns. Memory is measured besides, and decides "
    "alone where a group stopped another, but not the other way round."
)


def imported(source: Source, parse: Parse) -> Draft:
    """The draft. Raises CannotImport, and ValueError where ``parse`` does."""
    file = mapping(parse(source.text))
    models = mapping(file.get("models"))
    if not models and not file.get("peers"):
        raise CannotImport("it has neither 'models' nor 'peers', so there is nothing to carry over")
    return _File(source, file, models).draft()


class _File:
    """Puts the draft together."""

    def __init__(self, source: Source, file: Mapping[str, Any], models: Mapping[str, Any]) -> None:
        self.source = source
        self.file = file
        self.models = models
        self.names = Names()
        self.macros = Macros({str(name): text(value) for name, value in mapping(file.get("macros")).items()})
        self.lost: list[str] = []
        self.sheets: dict[str, Sheet] = {}
        """By the name that llama-swap has."""

    def draft(self) -> Draft:
        """All of it."""
        for name, given in self.models.items():
            self._model(str(name), mapping(given))
        self._unique_aliases()
        top: dict[str, Any] = {}
        remarks: dict[str, tuple[str, ...]] = {}
        self._defaults(top, remarks)
        self._turns(top, remarks)
        self._loading()
        peers = self._peers(top)
        pools, lost = swap_routes.selectors(self.file.get("selectors"), self._known(peers))
        top |= {"pools": pools} if pools else {}
        self.lost += [*lost, *swap_routes.profiles(self.file.get("profiles"))]
        self._clients(top, remarks)
        self._rest()
        kept = self.macros.kept()
        head = [f"Made by `swapd import` from {PurePath(self.source.name).name}, a file of llama-swap.", *_HEAD]
        head += [] if any(self.file.get(key) for key in ("groups", "matrix", "routing")) else [_ALONE]
        drafts = tuple(sheet.drafted() for sheet in (*self.sheets.values(), *peers))
        top = ({"macros": kept} if kept else {}) | top
        return Draft(drafts, tuple(head), top, remarks, tuple(self.lost))

    def _model(self, name: str, given: dict[str, Any]) -> None:
        sheet = Sheet(self.names.fresh(name))
        if sheet.name != name:
            sheet.remark(f"its name was '{name}': here a name is one word, and clients have to ask for this one")
        try:
            why = filled(name, given, self.macros, sheet)
        except CannotImport as error:
            raise CannotImport(f"models.{name}: {error}") from None
        if why:
            self.lost.append(left(f"model '{name}'", why))
        else:
            self.sheets[name] = sheet

    def _unique_aliases(self) -> None:
        """A model's own name wins, then the first alias; llama-swap refuses such a file."""
        taken = {sheet.name for sheet in self.sheets.values()}
        for sheet in self.sheets.values():
            given = sheet.keys.get("aliases", [])
            kept = [alias for alias in dict.fromkeys(given) if alias not in taken and named(alias) == alias]
            taken.update(kept)
            for alias in given.keys() - set(kept) if isinstance(given, dict) else set(given) - set(kept):
                sheet.leave(f"alias '{alias}'", "another model has that name, or it is not one word")
            if given:
                sheet.keys["aliases"] = (
                    kept if isinstance(given, list) else {alias: given[alias] for alias in kept}
                )

    def _defaults(self, top: dict[str, Any], remarks: dict[str, tuple[str, ...]]) -> None:
        idle = number(self.file.get("globalTTL")) or 0
        defaults = {"ttl": seconds(idle)}
        if not idle:
            remarks["defaults"] = ("llama-swap stops no idle model unless it is told to; swapd would after 10m.",)
        if (start := number(self.file.get("healthCheckTimeout"))) is not None:
            defaults["start_timeout"] = seconds(max(15, start))
        if stop := number(self.file.get("unloadTimeout")):
            defaults["stop_grace"] = seconds(stop)
        level = text(self.file.get("logLevel"))
        if level in _LEVELS and level != "info":
            top["log"] = {"level": _LEVELS[level]}
        top["defaults"] = defaults

    def _turns(self, top: dict[str, Any], remarks: dict[str, tuple[str, ...]]) -> None:
        found = swap_turns.of(self.file, list(self.sheets))
        self.lost += found.lost
        if found.counters:
            top["budget"] = turns.budget(found.counters)
            remarks["budget"] = (_TURNS,)
        for name, sheet in self.sheets.items():
            if "url" in sheet.keys:
                continue
            if needs := turns.needs(found.counters, name):
                sheet.keys["needs"] = needs
            if name in found.pinned:
                self._pin(sheet)

    def _pin(self, sheet: Sheet) -> None:
        idle = sheet.keys.get("ttl") or seconds(number(self.file.get("globalTTL")) or 0)
        if idle != "never":
            sheet.leave("persistent", f"what is pinned is never stopped, and this one was after {idle}")
            return
        sheet.keys.pop("ttl", None)
        sheet.keys["pinned"] = True
        sheet.notes["pinned"] = "its group is persistent; swapd loads it at once"

    def _loading(self) -> None:
        startup = mapping(mapping(self.file.get("hooks")).get("on_startup"))
        wanted = startup.get("preload")
        if profile := text(startup.get("profile")):
            self.lost.append(left(f"hooks: profile '{profile}'", "there are no profiles here"))
        known = {alias: sheet for sheet in self.sheets.values() for alias in sheet.keys.get("aliases", [])}
        for each in listed(wanted):
            sheet = self.sheets.get(text(each)) or known.get(text(each))
            if sheet is None:
                self.lost.append(left(f"hooks: preload '{text(each)}'", "there is no such model"))
            elif not sheet.keys.get("pinned"):
                sheet.keys["preload"] = True
        scheduler = mapping(mapping(self.file.get("routing")).get("scheduler"))
        priorities = mapping(mapping(mapping(scheduler.get("settings")).get("fifo")).get("priority"))
        for name, rank in priorities.items():
            if name in self.sheets and isinstance(rank, int):
                self.sheets[name].keys["priority"] = rank
            else:
                self.lost.append(left(f"priority of '{name}'", "there is no such model"))

    def _peers(self, top: dict[str, Any]) -> list[Sheet]:
        local = {sheet.name for sheet in self.sheets.values()}
        local |= {alias for sheet in self.sheets.values() for alias in sheet.keys.get("aliases", [])}
        usual = "start_timeout" in top["defaults"]
        sheets, lost = swap_routes.peers(self.file.get("peers"), self.macros, self.names, local, usual)
        self.lost += lost
        return sheets

    def _known(self, peers: list[Sheet]) -> dict[str, str]:
        """Every name that may be asked for, as llama-swap knows it, and its model."""
        known = {sheet.name: sheet.name for sheet in (*self.sheets.values(), *peers)}
        known |= {name: sheet.name for name, sheet in self.sheets.items()}
        return known | {a: s.name for s in (*self.sheets.values(), *peers) for a in s.keys.get("aliases", [])}

    def _clients(self, top: dict[str, Any], remarks: dict[str, tuple[str, ...]]) -> None:
        keys = list(dict.fromkeys(self.macros.fill(text(key)) for key in listed(self.file.get("apiKeys"))))
        if not keys:
            return
        top["clients"] = {}
        for n, key in enumerate(keys, 1):
            short = not key.startswith("${") and len(key) < LEAST_KEY
            top["clients"][f"client-{n}"] = {"key": f"${{env.SWAPD_CLIENT_KEY_{n}}}" if short else key}
            if short:
                self.lost.append(
                    left(
                        f"apiKeys: key {n}",
                        f"it has less than {LEAST_KEY} characters: `swapd key`",
                    )
                )
        remarks["clients"] = (
            "All keys could do all there, the operator's things too. Here they ask models; the operator's API",
            "answers this machine only, unless 'admin' has a key. Give the clients names that you know.",
        )

    def _rest(self) -> None:
        for key, value in self.file.items():
            if key in _LEFT and value not in (False, "", None):
                self.lost.append(left(str(key), _LEFT[key]))
            elif key not in _READ and key not in _LEFT:
                self.lost.append(left(f"'{key}'", "llama-swap has no such key, and passes over it in silence"))
        with_aliases = [sheet.name for sheet in self.sheets.values() if "aliases" in sheet.keys]
        if self.file.get("includeAliasesInList") is not True and with_aliases:
            why = f"swapd lists aliases beside their models, here those of {held(with_aliases)}"
            self.lost.append(left("includeAliasesInList: false", why))
