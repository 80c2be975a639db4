"""The config that what a scan finds goes into: what it has already, and what is to be added."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swapd.cli.failure import BadConfig
from swapd.cli.putting import beside
from swapd.cli.scan.fit import Fit
from swapd.cli.words import size
from swapd.config import ConfigNotFound, Loaded, find_config, load
from swapd.config.author import common
from swapd.config.compose import EMPTY
from swapd.config.jsonschema import MODELINE
from swapd.config.load import NO_MODELS
from swapd.core.draft import Draft
from swapd.lasting import lasting
from swapd.machine import gguf
from swapd.machine.asked import files_of
from swapd.scan import Model, Scan
from swapd.scan.drafting import drafted, first_choice
from swapd.scan.found import Facts

CUT = "it is cut short: fetch it again"


@dataclass(frozen=True, slots=True)
class Known:
    """The config that is there, or the ``path`` where a first one is to be. With neither, it is only printed."""

    path: Path | None = None
    loaded: Loaded | None = None
    common: Mapping[str, Any] = field(default_factory=dict)
    """Its ``defaults`` and ``macros``: they count for what is added too."""

    @property
    def names(self) -> frozenset[str]:
        """All that clients can ask for already."""
        catalog = self.loaded.catalog if self.loaded else None
        return frozenset((*catalog.models, *catalog.aliases, *catalog.pools)) if catalog else frozenset()

    @property
    def has(self) -> bool:
        """Whether there is a config."""
        return self.loaded is not None

    def drop_from(self, scan: Scan) -> None:
        """Leave out the models whose files the config has already, under whatever path."""
        catalog = self.loaded.catalog if self.loaded else None
        mine = {
            identity: name
            for name, spec in (catalog.models if catalog else {}).items()
            if (identity := _identity(files_of(spec.launch.argv).model)) is not None
        }
        for model in [each for each in scan.models if each.identity in mine]:
            scan.models.remove(model)
            scan.leave(model.path, f"the config has it already, as '{mine[model.identity]}'")


def _identity(path: Path | None) -> tuple[int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if found else None


def known_at(config: str | None) -> Known:
    """What is there, or where the first config is to be. Raises BadConfig for one with problems."""
    try:
        path = find_config(config, os.environ, Path.cwd())
    except ConfigNotFound:
        return Known(usual_place())
    path = Path(os.path.abspath(path))  # noqa: PTH100  (without '..', as the loader tells its files)
    if not path.exists():
        return Known(path)
    with lasting():
        loaded = load(path, os.environ)
    if [problem.message for problem in loaded.problems] in ([EMPTY], [NO_MODELS]):
        loaded = _without_models(path)  # whoever asks for models to be added has not forgotten them
    if loaded.problems:
        raise BadConfig(f"cannot add to a config with problems: {loaded.problems[0]}; see `swapd check`")
    return Known(path, loaded, common(path.read_text("utf-8-sig")))


def _without_models(path: Path) -> Loaded:
    """A config of settings alone. Raises BadConfig."""
    try:
        with beside(path, f"{path.read_text('utf-8-sig')}\nmodels: {{}}\n") as trial:
            return load(trial, os.environ)
    except OSError as error:
        raise BadConfig(f"cannot write beside {path}: {error.strerror or error}") from None


def usual_place() -> Path:
    """Where a first config is looked for: root's is the machine's."""
    home = Path(os.environ.get("HOME") or Path.home())
    return Path("/etc/swapd/swapd.yaml") if os.geteuid() == 0 else home / ".config/swapd/swapd.yaml"


def facts_of(path: Path) -> Facts | str:
    """The header of a GGUF file, or why there is none to trust."""
    try:
        header = gguf.read(path)
        cut = 0 in gguf.tensor_sizes(path).values()
    except gguf.BadGguf as error:
        return str(error).removeprefix(f"cannot read {path}: ")
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return CUT if cut else header


def draft_of(scan: Scan, fits: Mapping[str, Fit], known: Known) -> Draft:
    """The models, for a file of their own or for a whole first config."""
    models = tuple(drafted(m, fits[m.name].context, _remarks(m, fits[m.name]), known.common) for m in scan.models)
    if known.has:
        return Draft(models)
    by_name = {model.name: model for model in scan.models}
    default = first_choice(by_name, {name: not fit.never for name, fit in fits.items()})
    is_file = known.path is not None
    top = {"default_model": default} if default else {}
    return Draft(
        models,
        head=(*([MODELINE] if is_file else []), "Made by `swapd scan`, and yours: what you edit counts at once."),
        top=top | ({"include": ["models.d/*.yaml"]} if is_file else {}),
        remarks={
            "default_model": ("What a client gets that names no model.",),
            "include": (
                "Further models: `swapd scan --write` puts into models.d/scanned.yaml what it finds new.",
            ),
            "models": (
                "Clients ask by these names. What fits in memory stays up together, the rest takes turns.",
            ),
        },
    )


def _remarks(model: Model, fit: Fit) -> tuple[str, ...]:
    caveat = f"; {model.caveat}" if model.caveat else ""
    return f"{model.title}, {size(model.size)}, {model.kind}{caveat}", str(fit)
