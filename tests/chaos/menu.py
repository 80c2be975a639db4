"""The daemon's config, as text: three chat models, an embedding model and a stubborn one on a budget of two."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

FAKE = Path(__file__).parent.parent / "fakes" / "llama_server.py"
SEATED = Path(__file__).parent / "seated.py"
SEATS = 2
"""Engines that fit."""
FAST = "timeouts: {idle: 3s, first_byte: 5s}, start_timeout: 6s, stop_grace: 300ms, drain: 4s"
FAKES = {
    "alpha": ("--load-seconds", "0.05"),
    "beta": ("--load-seconds", "0.1"),
    "embed": (),
    "stubborn": ("--deaf", "--grandchild", "--grandchild-setsid"),
}
ON_SOCKET = ("beta",)
"""These listen on a Unix socket."""
VERSION = "--version-of-the-command"
FOURTH = "guest"
"""A model that comes and goes."""


@dataclass(frozen=True)
class Menu:
    """What the config says; every change is a new menu. ``folder`` is the arena's."""

    folder: Path
    port: int
    adoption: bool = False
    """Whether the config knows the key."""
    llama: tuple[str, ...] = ()
    """The command of a true engine without its place; its model is then called llama."""
    guest: bool = False
    keys: dict[str, dict[str, str]] = field(default_factory=dict)
    """Model -> more keys."""
    versions: dict[str, int] = field(default_factory=dict)
    """Model -> a number that its command line bears, so that another is another launch."""

    @property
    def models(self) -> tuple[str, ...]:
        """All names."""
        return (*FAKES, *(["llama"] if self.llama else []), *([FOURTH] if self.guest else []))

    def retuned(self, model: str, **keys: str) -> Menu:
        """Other terms for a model."""
        return replace(self, keys={**self.keys, model: keys})

    def relaunched(self, model: str) -> Menu:
        """Another command line for a model, of the same effect."""
        return replace(self, versions={**self.versions, model: self.versions.get(model, 0) + 1})

    def starts(self, name: str, words: Sequence[str]) -> bool:
        """Whether an engine of that command line is one that this config would start now."""
        told = words[words.index(VERSION) + 1] if VERSION in words else None  # a true engine does not say
        return name in self.models and told in (None, str(self.versions.get(name, 0)))

    def with_guest(self, there: bool) -> Menu:
        """With the fourth model, or without."""
        return replace(self, guest=there)

    def text(self) -> str:
        """The YAML; one line a model, so that most beginnings of it are valid YAML too."""
        lines = [
            f"listen: 127.0.0.1:{self.port}",
            f'state_dir: "{self.folder / "state"}"',
            *(["adoption: 10s"] if self.adoption else []),
            f"budget: {{engines: {SEATS}}}",
            "scheduling: {patience: 400ms, linger: 0s, wait: 25s, queue: 512}",
            "models:",
            *(f"  {name}: {{{self._entry(name)}}}" for name in self.models),
        ]
        return "\n".join(lines) + "\n"

    def _entry(self, name: str) -> str:
        more = "".join(f", {key}: {value}" for key, value in self.keys.get(name, {}).items())
        return f"command: '{self._command(name)}', {FAST}{more}"

    def _command(self, name: str) -> str:
        locks = [
            "--lock",
            f"{self.folder}/lock-{name}",
            "--seats",
            f"{self.folder}/seats",
            "--seat-count",
            str(SEATS),
        ]
        version = [VERSION, str(self.versions.get(name, 0))]
        journal = ["--journal", f"{self.folder}/journal", *version]
        if name == "llama":
            seated = [sys.executable, str(SEATED), "--alias", name, *locks, *journal, "--", *self.llama]
            return shlex.join(seated) + " --host ${host} --port ${port}"
        place = "--host ${socket}" if name in ON_SOCKET else "--host ${host} --port ${port}"
        flags = [*locks, *journal, "--whim", f"{self.folder}/whim-{name}", "--chunk-seconds", "0.01"]
        own = shlex.join([*FAKES.get(name, ()), *flags])
        return f"{sys.executable} {FAKE} {place} --alias {name} {own}"
