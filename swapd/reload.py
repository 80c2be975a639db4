"""The config in force, and the one way it changes: read, compare, tell the desk."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from swapd.config import Changes, Loaded, Problem, changes, completed, load, secrets, shown
from swapd.config.pace import paced
from swapd.config.past import Past
from swapd.core.events import CatalogChanged, Event
from swapd.core.settings import Settings
from swapd.core.spec import Catalog, Cost
from swapd.core.told import Told
from swapd.journal import configure
from swapd.tasks import spawn

log = logging.getLogger("swapd")
MOST_WARNINGS = 500
"""That are shown."""
MOST_NAMES, MOST_TEXT = 100, 500
"""Of each kind, and characters, where people are told what changed."""


class Current:
    """What ``web`` calls its Config. A broken file changes nothing but ``problems``."""

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        loaded: Loaded,
        find_binary: Callable[[], str | None],
        post: Callable[[Event], None],
        tell: Callable[[Told], None],
    ) -> None:
        """``post`` tells the desk, and ``tell`` people, what changed."""
        assert loaded.catalog is not None
        assert loaded.settings is not None
        self.catalog: Catalog = loaded.catalog
        """With the budget completed."""
        self.settings: Settings = loaded.settings
        self.problems: list[dict[str, Any]] = []
        self._path = path
        self._load = partial(load, path, environ, find_binary)
        self._past: Past | None = loaded.past
        self.warnings = _warnings(loaded)
        self._texts = _texts(loaded)
        self._watched = _watched(loaded)
        self._held: dict[Path, object] = {}
        self._warned = {(warning.key, warning.message) for warning in loaded.warnings}
        self._written = loaded.catalog
        self.total: Cost = {}
        """Bytes that the machine has of each memory, as far as it was measured."""
        self._post = post
        self._tell = tell
        self._environ = environ
        self._turn = asyncio.Lock()
        self.generation = 1
        self.good_at = time.monotonic()
        """When it was last read and nothing was wrong with it."""

    def paths(self) -> list[Path]:
        """The files, and the folders that an ``include`` looks into, whose edits matter."""
        return list(self._watched)

    async def texts(self) -> list[dict[str, Any]]:
        """``path`` and ``text`` of the files as they are now, without their secrets."""
        return await asyncio.to_thread(shown, self._texts, secrets(self.catalog, self.settings))

    def measured(self, total: Cost) -> bool:
        """The machine has so many bytes of each memory. Returns whether that changes the catalog."""
        before, self.total = self.catalog, total
        self.catalog = completed(self._written, total)
        return self.catalog != before

    async def look(self) -> None:
        """Read again, unless all that matters is as it was read last: who asked for a reload need not have two."""
        async with self._turn:
            same = await asyncio.to_thread(lambda: _held(self._watched) == self._held)
        if not same:
            await self.reload()

    async def reload(self) -> dict[str, Any]:
        """Read again, whatever was saved; one at a time. Returns what changed, or ``{"problems": [...]}``.

        Once begun it goes on to its end, and counts, even if nobody waits for it any more: no thread can be ended.
        """
        await self._turn.acquire()
        return await asyncio.shield(spawn(self._reload_and_yield(), "reload"))

    async def _reload_and_yield(self) -> dict[str, Any]:
        """A reload of whose turn it is; then it is the next one's."""
        try:
            loaded, change = await asyncio.to_thread(self._read)  # a large file must not hold up any stream
            if loaded.catalog is None or loaded.settings is None:
                self._watched = tuple(dict.fromkeys((*self._watched, *_watched(loaded))))
                self._texts = tuple(dict.fromkeys((*_texts(loaded), *self._texts)))
                return self._reject(loaded.problems)
            self._watched, self._texts, self.warnings = _watched(loaded), _texts(loaded), _warnings(loaded)
            was, self.problems = self.problems, []
            if was and not change:
                log.info("the config is good again, and as the one in force")
                self._say("the config is good again, and as the one in force")
            self.good_at = time.monotonic()
            if change:
                self._apply(loaded.catalog, loaded.settings, change)
            return {"generation": self.generation} | _listed(change)
        finally:
            self._turn.release()

    def _read(self) -> tuple[Loaded, Changes]:
        """The config as it is now, and what that changes. Never raises. Blocks."""
        self._held = _held(self._watched)
        past, self._past = self._past, None  # a reading that breaks off leaves who knows what in it
        try:
            loaded = self._load(past)
            self._past = loaded.past
            if loaded.catalog is None or loaded.settings is None:
                return loaded, Changes()
            change = changes(self._written, loaded.catalog, self.settings, loaded.settings)
            if change:
                self._warn(loaded.warnings)
            return loaded, change
        except Exception as error:
            log.exception("cannot read the config: this is a bug in swapd, please report it")
            return _broken_off(self._path, error), Changes()

    def _warn(self, warnings: tuple[Problem, ...]) -> None:
        """Of what was not told before: a thousand files of a disk that is gone are told once. Blocks."""
        told, self._warned = self._warned, {(warning.key, warning.message) for warning in warnings}
        for warning in paced(warnings):
            if (warning.key, warning.message) not in told:
                log.warning("config: %s", warning)

    def _apply(self, catalog: Catalog, settings: Settings, change: Changes) -> None:
        """Take over all but what needs a restart: that stays in force, and is told again at each reload."""
        log.info("config reloaded: %s", change.words())
        if "log" in change.settings:
            configure(settings.log, self._environ)
        kept = {key: getattr(self.settings, key) for key in ("listen", "state_dir", "trace")}
        self.settings = replace(settings, **kept)
        self._written = catalog
        self.catalog = completed(catalog, self.total)
        if change.of_catalog:
            self._post(CatalogChanged(self.catalog))
        self.generation += bool(replace(change, needs_restart=()))
        self._say(f"config reloaded: {change.words()}", change)

    def _say(self, text: str, change: Changes | None = None, level: str = "info") -> None:
        """To people; of a thousand names, those that fit."""
        names = {key: found[:MOST_NAMES] for key, found in _listed(change or Changes()).items()}
        data = {"generation": self.generation, "problems": len(self.problems)} | names
        text = text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} ..."
        self._tell(Told("config", text, data=data, level=level))

    def _reject(self, problems: tuple[Problem, ...]) -> dict[str, Any]:
        self.problems = [as_json(problem) for problem in problems]
        for problem in problems:
            log.error("config: %s", problem)
        log.error("the config has errors; the one in force stays")
        self._say("the config has errors; the one in force stays", level="warning")
        return {"problems": self.problems}


def _broken_off(path: Path, error: Exception) -> Loaded:
    """What is told of a reading that ended in an error of ours."""
    message = f"cannot read the config: {error!r}; this is a bug in swapd, please report it"
    problem = Problem(str(path), 1, 1, "", message)
    return Loaded(None, None, problems=(problem,), warnings=(), files=(), folders=())


def _held(paths: Iterable[Path]) -> dict[Path, object]:
    """What the files hold, and the names in the folders. Blocks."""
    return {path: _content(path) for path in paths}


def _content(path: Path) -> object:
    try:
        return path.read_bytes() if path.is_file() else frozenset(path.iterdir())
    except OSError:
        return None


def _watched(loaded: Loaded) -> tuple[Path, ...]:
    return (*loaded.files, *loaded.folders)


def _listed(change: Changes) -> dict[str, Any]:
    return {field.name: list(getattr(change, field.name)) for field in fields(change)}


def _texts(loaded: Loaded) -> tuple[Path, ...]:
    """The files that one may be shown."""
    return tuple(file for file in loaded.files if file not in loaded.key_files)


def _warnings(loaded: Loaded) -> list[dict[str, Any]]:
    return [as_json(warning) for warning in loaded.warnings[:MOST_WARNINGS]]


def as_json(problem: Problem) -> dict[str, Any]:
    """A problem as ``status`` shows it."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key": problem.key,
        "message": problem.message,
    }
