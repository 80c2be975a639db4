"""What the readers of ``/admin/live`` see: each part as JSON, with the version at which it last changed.

A reader only remembers the version that it has. So one that is slow gets the newest, and costs no memory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

Part = tuple[int, bytes]
"""A version, and what has been so since."""


class Shown:
    """The newest picture. Frames are made once for all readers that have the same version."""

    def __init__(self) -> None:
        self.version = 0
        """Counts the pictures that differ from the one before."""
        self._now = ""
        self._house: dict[str, Part] = {}
        self._models: dict[str, Part] = {}
        self._listed = 0
        """The version of the list of names."""
        self._frames: dict[int | None, bytes] = {}

    def renew(self, now: str, house: Mapping[str, Any], models: Mapping[str, bytes]) -> None:
        """There is a new picture: ``models`` as JSON, in their order."""
        version = self.version + 1
        fresh = {name: encoded(value) for name, value in house.items()}
        self._house, edited = _renewed(self._house, fresh, version)
        listed = list(self._models) != list(models)
        self._models, moved = _renewed(self._models, models, version)
        if edited or moved or listed:
            self.version = version
            self._frames.clear()
        if listed:
            self._listed = version
        self._now = now
        self._frames.pop(None, None)  # it says what time it is

    def frame(self, seen: int | None) -> bytes:
        """From version ``seen`` to this one; with None, all of it. Empty where nothing has changed."""
        if seen == self.version:
            return b""
        if seen not in self._frames:
            self._frames[seen] = self._hello() if seen is None else self._change(seen)
        return self._frames[seen]

    def _hello(self) -> bytes:
        models = [msgspec.Raw(text) for _, text in self._models.values()]
        house = {name: msgspec.Raw(text) for name, (_, text) in self._house.items()}
        return frame("hello", {"now": self._now, "status": {**house, "models": models}})

    def _change(self, seen: int) -> bytes:
        body: dict[str, Any] = {
            "now": self._now,
            "status": {n: msgspec.Raw(text) for n, (version, text) in self._house.items() if version > seen},
            "models": [msgspec.Raw(text) for version, text in self._models.values() if version > seen],
        }
        if self._listed > seen:
            body["names"] = list(self._models)
        return frame("change", body)


def encoded(value: Any) -> bytes:
    """As JSON. A path may hold bytes that are no text: those are spelt out, which takes longer."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def frame(event: str, body: Mapping[str, Any]) -> bytes:
    """One event of the stream: JSON has no line breaks."""
    return f"event: {event}\ndata: ".encode() + msgspec.json.encode(body) + b"\n\n"


def _renewed(old: Mapping[str, Part], new: Mapping[str, bytes], version: int) -> tuple[dict[str, Part], bool]:
    """The new parts; those that are as they were keep their version. And whether any is not."""
    found, changed = {}, False
    for name, text in new.items():
        part = old.get(name)
        if part is None or part[1] != text:
            part, changed = (version, text), True
        found[name] = part
    return found, changed
