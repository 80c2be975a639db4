"""How a run's processes are made: what was ordered, what stands open in that, and what surrounds them."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from swapd.core.commands import Adopt, Spawn
from swapd.core.engine import Endpoint, RunId
from swapd.core.need import RAM, Way, is_memory
from swapd.core.spec import Launch
from swapd.core.text import without_secrets
from swapd.engines.cgroup import Group
from swapd.engines.environment import TALKATIVE, scrubbed
from swapd.engines.ground import Ground
from swapd.engines.logs import LogBook
from swapd.engines.output import Output
from swapd.engines.process import CannotStart, Process
from swapd.engines.resolve import LOOPBACK, fill, resolve
from swapd.engines.wrap import wrapped

CONTAINERS = {"docker", "podman", "nerdctl"}
"""Clients whose server listens outside of our tree."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a run's processes are made: what was ordered, and the values of what that leaves open."""

    order: Spawn | Adopt
    values: Mapping[str, str]
    ground: Ground
    book: LogBook
    stop: tuple[str, ...] = ()
    """Its ``stop`` command, should nobody be left to ask for it."""

    @property
    def run(self) -> RunId:
        """Which."""
        return self.order.run

    @property
    def launch(self) -> Launch:
        """What is started."""
        return self.order.launch

    @property
    def endpoint(self) -> Endpoint:
        """Where the engine is to listen."""
        return endpoint_of(self.values, self.launch.key)

    @property
    def contained(self) -> bool:
        """Whether the server itself will be outside of our process tree."""
        return PurePath(self.launch.argv[0]).name in CONTAINERS

    def start_engine(self, output: Output) -> Process:
        """The engine itself, in a cgroup of its own where there can be one. Raises CannotStart."""
        marker, group = uuid.uuid4().hex, None
        if self.ground.group is not None:
            group = self.ground.group.child(f"{self.run.model}-{self.run.n}", marker)
        return self._start(resolve(self.launch, self.values), output, marker, group)

    def start(self, words: Sequence[str], output: Output) -> Process:
        """Another command, in the engine's environment. Raises CannotStart."""
        return self._start(fill(words, self.values), output, uuid.uuid4().hex, None)

    def _start(self, argv: tuple[str, ...], output: Output, marker: str, group: Group | None) -> Process:
        env = tuple((name, fill([value], self.values)[0]) for name, value in self.launch.env)
        talk = TALKATIVE if _on_gpu(self.order.way) else ()
        output.write(f"{heading(self.run)}{shlex.join(self._shown(argv))}")
        marked = scrubbed(self.ground.environ, (*talk, *env), marker, self.ground.house.id)
        cwd, procs = self.launch.cwd, group.join_path if group is not None else None
        try:
            words, umask = wrapped(argv, self.launch.standing, procs, marked, cwd)
        except (OSError, ValueError) as error:
            if group is not None:
                group.remove()
            raise CannotStart(f"cannot start '{argv[0]}': {getattr(error, 'strerror', None) or error}") from error
        return Process.started(words, marked, cwd, self.book, output, umask=umask, group=group)

    def _shown(self, argv: Sequence[str]) -> Sequence[str]:
        """Without the engine's key, which most are told there, and other secrets: a log is a file, and stays."""
        return without_secrets(argv, self.launch.key.rpartition(" ")[2])


def endpoint_of(values: Mapping[str, str], key: str) -> Endpoint:
    """Where an engine listens whose launch was filled in so."""
    if path := values.get("socket"):
        return Endpoint("localhost", 0, path, key=key)
    return Endpoint(LOOPBACK, int(values["port"]), key=key)


def heading(run: RunId) -> str:
    """How the log book's lines about the run itself begin; the first one stands above what it wrote."""
    return f"--- {run}: "


def _on_gpu(way: Way) -> bool:
    gpus = [name for name, amount in way.cost.items() if amount and is_memory(name) and name != RAM]
    return bool(way.devices or gpus)
