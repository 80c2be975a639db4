"""What the front hall needs from the rest of the house, said in its own words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from swapd.core.commands import Why
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Event, Ticket, Usage
from swapd.core.refusal import Refusal
from swapd.core.settings import Settings
from swapd.core.spec import Catalog, Spec
from swapd.core.view import View

Clock = Callable[[float, float], str]
"""(monotonic moment, monotonic now) -> RFC 3339."""


class Lease(Protocol):
    """A ready engine, held. ``queued`` and ``loaded`` are seconds."""

    ticket: Ticket
    run: RunId
    endpoint: Endpoint
    spec: Spec
    queued: float
    loaded: float
    revoked: Why | None
    usage: Usage | None
    """Set by the holder before it leaves."""

    def keep_until(self, done: Coroutine[None, None, None]) -> None:
        """Hold on, after the block, until ``done`` has ended."""


class Gate(Protocol):
    """The desk."""

    def post(self, event: Event) -> None:
        """Tell a fact."""

    def lease(self, model: str, client: str = "") -> AbstractAsyncContextManager[Lease]:
        """Wait for an engine and hold it; raises core.refusal.Refused."""

    async def missing(self, model: str) -> Refusal | None:
        """Why an engine of it is sure not to start; looked for only where others may have to go for it."""

    def view(self) -> View:
        """A picture of the book."""

    async def until(self, fact: Callable[[View], bool]) -> None:
        """Return once the book shows the fact."""


class LogBook(Protocol):
    """The lines that a model's engines wrote."""

    def tail(self, n: int) -> list[str]:
        """The last ``n`` lines."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[str | None]]:
        """The lines from now on; now and then None, while there are none."""


class Engines(Protocol):
    """What the engine room knows beyond the book."""

    def pid(self, run: RunId) -> int | None:
        """The process that leads the run."""

    def logs(self, model: str) -> LogBook:
        """The model's log book."""


class Config(Protocol):
    """The config as it is in force, and the way to read it anew."""

    @property
    def catalog(self) -> Catalog:
        """The models."""

    @property
    def settings(self) -> Settings:
        """Everything else."""

    @property
    def generation(self) -> int:
        """Counts the configs that were taken over."""

    @property
    def problems(self) -> Sequence[dict[str, Any]]:
        """What is wrong with the file since the last good one: ``file, line, column, key, message``."""

    @property
    def warnings(self) -> Sequence[dict[str, Any]]:
        """What is doubtful in the one in force, in the same shape."""

    async def texts(self) -> list[dict[str, Any]]:
        """``path`` and ``text`` of its files as they are now, without secrets; ``error`` where that fails."""

    async def reload(self) -> dict[str, Any]:
        """Read the file again. Returns the changes, or ``{"problems": [...]}``."""


class History(Protocol):
    """What happened in the last hours. Rows are requests that have ended, as JSON values."""

    @property
    def answered(self) -> int:
        """How many rows there have been."""

    def rows(self, at: int) -> tuple[list[dict[str, Any]], int]:
        """Those from number ``at`` on, as far as they are kept, and how many more there were."""

    def about(self, model: str) -> dict[str, Any]:
        """``requests``, ``tokens`` and ``last_swap`` of a model, as ``status`` shows them."""

    async def since(self, hours: float) -> bytes:
        """All of the last ``hours``, as one JSON object."""


class Upgrade(Protocol):
    """The daemon's way to execute itself anew."""

    @property
    def execs(self) -> int:
        """How often it did so."""

    async def ask(self) -> str:
        """Empty once it goes on by itself; else why it cannot be."""
