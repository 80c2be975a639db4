"""The walk through the library: read, expand, collect, build, check. Never raises for what a file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from swapd.config.build import build
from swapd.config.checks import FindBinary, check_machine
from swapd.config.doors import settings
from swapd.config.drafts import drafts
from swapd.config.expand import Expander
from swapd.config.keyfile import KeyFiles
from swapd.config.keys import Keyring, check_patterns
from swapd.config.past import Past
from swapd.config.problems import Problem, Problems
from swapd.config.read import read
from swapd.config.schema import Config
from swapd.config.sources import Sources, collect
from swapd.config.tree import Map
from swapd.config.walk import Walk
from swapd.core.settings import Settings
from swapd.core.spec import Catalog

NO_MODELS = "names no models: give some under 'models', or say 'models: {}' if none is meant"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config as found: what it says, or why it cannot be used. ``catalog`` is None iff there are problems."""

    catalog: Catalog | None
    settings: Settings | None
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    files: tuple[Path, ...]
    """Every file that was read, absolute."""
    folders: tuple[Path, ...] = ()
    """Where further files may appear that ``include`` would match."""
    key_files: tuple[Path, ...] = ()
    """Of ``files`` those that hold nothing but a key."""
    found_at: Settings | None = None
    """With problems too, unless they are about ``listen``: where the daemon of this config is to be found."""
    past: Past = field(default_factory=Past, repr=False, compare=False)
    """Given to the next ``load`` of the same config, it spares that most of its work."""


def load(
    path: Path, environ: Mapping[str, str], find_binary: FindBinary | None = None, past: Past | None = None
) -> Loaded:
    """Read the config and all it includes; every problem is told, none is raised.

    ``find_binary`` finds the program of ``binary: auto``; without it, that is not checked.
    """
    past = past or Past()
    loaded = replace(_load(path, environ, find_binary, past), past=past)
    past.end(good=not loaded.problems)
    return loaded


def _load(path: Path, environ: Mapping[str, str], find_binary: FindBinary | None, past: Past) -> Loaded:
    problems, warnings = Problems(), Problems()
    sources = Sources(files=[path])
    top = read(path, problems, past.pieces)
    if top is None:
        return _loaded(None, sources, problems, warnings)
    home = environ.get("HOME") or str(Path.home())
    past.within((top.entries.get("macros"), top.entries.get("defaults"), home, dict(environ)))
    expander = Expander(top.get("macros"), environ, problems)
    expander.expand(top, skip=("models",))
    config = Walk(problems, home).section(Config, top, "", skip=("models", "defaults"))
    sources = collect(path, top, config.include, expander, problems, past)
    _expect_models(top, problems)
    models = drafts(sources.models, top.get("defaults"), home, problems, past)
    catalog = build(top, config, models, problems, warnings, past.made)
    key_files = KeyFiles(environ.get("CREDENTIALS_DIRECTORY"), problems, warnings)
    keys = Keyring(top, key_files, problems)
    admitted = replace(
        settings(top, config, environ, home, problems, warnings),
        admin_key=keys.of_admin(config.admin),
        clients=keys.of_clients(config.clients),
    )
    sources.key_files = key_files.looked_at
    check_patterns(top, config.clients, [*catalog.models, *catalog.aliases, *catalog.pools], warnings)
    check_machine(models, environ.get("PATH"), find_binary, warnings)
    return _loaded((catalog, admitted), sources, problems, warnings)


def _expect_models(top: Map, problems: Problems) -> None:
    """A file that is only half written may lack its models: better a problem than to stop every engine."""
    if top.get("models") is None and top.get("include") is None:
        problems.add(top.place_of("models"), "models", NO_MODELS)


def _loaded(
    built: tuple[Catalog, Settings] | None, sources: Sources, problems: Problems, warnings: Problems
) -> Loaded:
    catalog, admitted = (None, None) if built is None or problems else built
    lost = built is None or any(problem.key.startswith("listen") for problem in problems.sorted())
    return Loaded(
        catalog=catalog,
        settings=admitted,
        problems=problems.sorted(),
        warnings=warnings.sorted(),
        files=tuple(file.absolute() for file in (*sources.files, *sources.key_files)),
        folders=tuple(sources.folders),
        key_files=tuple(file.absolute() for file in sources.key_files),
        found_at=None if built is None or lost else built[1],
    )
