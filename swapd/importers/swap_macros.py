"""llama-swap's macros: those that are one plain word stay macros, all others are filled in where they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swapd.importers.sheet import MOST_TEXT, CannotImport, mapping, text

_REFERENCE = re.compile(r"\$\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./~][A-Za-z0-9_@%+=:,./~-]*")
"""What no splitting takes apart, and no flag begins with."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SWAPDS = {"binary", "host", "port", "socket", "threads", "device", "model"}
MOST_STEPS, MOST_LEVELS = 2000, 40
"""Macros that are filled in for one value, and how deep they may lie in each other."""
_OURS = {"PORT": "${port}", "MODEL_ID": "${model}", "PID": "${PID}"}
"""What llama-swap fills in itself, in swapd's words; its ``PID`` has none, and is looked for later."""


class Macros:
    """The macros of a file, or of one of its models. ``used``: those that stay, and were met."""

    def __init__(self, given: Mapping[str, str], above: Macros | None = None, name: str = "") -> None:
        self._given: dict[str, str] = {**(above._given if above else {}), **given}
        self._hidden = frozenset(given) if above else frozenset()
        self._name = name
        self._known: dict[str, bool] = {}
        self._left = MOST_STEPS
        self.used: set[str] = above.used if above else set()

    def within(self, given: Any, name: str) -> Macros:
        """Those of the model ``name``, before the file's."""
        return Macros({str(key): text(value) for key, value in mapping(given).items()}, self, name)

    def kept(self) -> dict[str, str | int]:
        """The ``macros`` of the config: what was met, and what that needs, in the order of the file."""
        waiting = list(self.used)
        while waiting:
            inner = {name for name in _REFERENCE.findall(self._given[waiting.pop()]) if name in self._given}
            waiting += inner - self.used
            self.used |= inner
        kept = {name: value for name, value in self._given.items() if name in self.used}
        return {name: int(value) if value.isdecimal() else value for name, value in kept.items()}

    def fill(self, value: str) -> str:
        """The text with its macros filled in, but for those that stay. Raises CannotImport."""
        self._left = MOST_STEPS
        return self._fill(value, (), keep=True)

    def meaning(self, value: str) -> str:
        """The text with all of them filled in, as far as they are known here."""
        self._left = MOST_STEPS
        return self._fill(value, (), keep=False) if "${" in value else value

    def named(self, value: str) -> str:
        """The same, with the model's name for ``${MODEL_ID}``."""
        return self.meaning(value).replace("${model}", self._name)

    def data(self, value: Any) -> Any:
        """The same in all values of some data; one that is a macro as a whole keeps the macro's type.

        Raises KeyError for a port in it, which is not known before the engine starts.
        """
        match value:
            case dict():
                return {self._literal(str(key)): self.data(each) for key, each in value.items()}
            case list():
                return [self.data(each) for each in value]
            case str():
                return self._typed(value)
        return value

    def _literal(self, value: str) -> str:
        filled = self.named(value)
        if "${port}" in filled or "${PID}" in filled:
            raise KeyError("PORT")
        return filled

    def _typed(self, value: str) -> Any:
        filled = self._literal(value)
        whole = _REFERENCE.fullmatch(value)
        if whole is None or whole[1] not in self._given:
            return filled
        if filled in ("true", "false"):
            return filled == "true"
        if re.fullmatch(r"-?\d{1,15}", filled):
            return int(filled)
        return float(filled) if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", filled) else filled

    def _fill(self, value: str, busy: tuple[str, ...], *, keep: bool) -> str:
        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name in _OURS or name.startswith("env."):
                return _OURS.get(name, match[0])
            if name in _SWAPDS and name not in self._given:
                return match[0]
            if name not in self._given:
                raise CannotImport(f"there is no macro '{name[:60]}' in it, which llama-swap would refuse too")
            if name in busy:
                raise CannotImport(f"its macros need each other in a circle: {' -> '.join([*busy, name])}")
            self._left -= 1
            if self._left < 0 or len(busy) > MOST_LEVELS:
                raise CannotImport(f"its macro '{name}' leads to too many others: do they double each other?")
            if keep and self._stays(name):
                self.used.add(name)
                return match[0]
            filled = self._fill(self._given[name].strip(), (*busy, name), keep=keep)
            if len(filled) > MOST_TEXT:
                raise CannotImport(f"its macro '{name}' grows beyond {MOST_TEXT} characters")
            return filled

        found = _REFERENCE.sub(one, value)
        if len(found) > MOST_TEXT:
            raise CannotImport(f"a command grows beyond {MOST_TEXT} characters by its macros")
        return found

    def _stays(self, name: str) -> bool:
        """One plain word, of the whole file, with a name that swapd takes and nothing in it that changes."""
        if name not in self._known:
            self._known[name] = False  # as long as it is not known: what needs itself does not stay
            self._known[name] = self._is_plain(name)
        return self._known[name]

    def _is_plain(self, name: str) -> bool:
        value = self._given[name]
        if name in self._hidden or name in _SWAPDS or not _NAME.fullmatch(name):
            return False
        if not _PLAIN.fullmatch(_REFERENCE.sub("x", value)) or len(self._known) > MOST_LEVELS * 10:
            return False
        inner = _REFERENCE.findall(value)
        return all(each.startswith("env.") or (each in self._given and self._stays(each)) for each in inner)
