"""What requests came to: counted a batch at a time, after they have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from swapd.core.answered import Answered
from swapd.core.settings import Settings
from swapd.core.spec import Catalog
from swapd.metrics.families import Family, Histogram, Tally

UNKNOWN = "unknown"
"""A model that the config does not have: its name is the client's choice, and may be anything."""
ANONYMOUS = "anonymous"
"""A client without a name in the config: it is told apart by its address, of which there are too many."""
OPERATOR = "operator"
"""Who asks from the dashboard's playground."""


class Config(Protocol):
    """The config in force."""

    @property
    def catalog(self) -> Catalog:
        """The models."""

    @property
    def settings(self) -> Settings:
        """Everything else."""


class Requests:
    """An ear of the requests log. Costs a few µs a request."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._ended, self._errors, self._tokens = Tally(), Tally(), Tally()
        self._durations, self._waits, self._first_bytes = Histogram(), Histogram(), Histogram()

    @property
    def families(self) -> Mapping[str, Family]:
        """What was counted, by the names of the table."""
        return {
            "swapd_requests_total": self._ended,
            "swapd_request_errors_total": self._errors,
            "swapd_tokens_total": self._tokens,
            "swapd_request_duration_seconds": self._durations,
            "swapd_queue_wait_seconds": self._waits,
            "swapd_first_byte_seconds": self._first_bytes,
        }

    def hear(self, rows: Sequence[Answered]) -> None:
        """Count them."""
        clients = {client.name for client in self._config.settings.clients or ()} | {OPERATOR}
        for row in rows:
            model = row.model if row.run is not None else self._model(row.model)
            client = row.client if row.client in clients else ANONYMOUS
            self._ended.add((model, client, row.route, str(row.status)))
            self._durations.see((model, row.route), row.total)
            if row.run is not None:
                self._served(row)
            if row.code:
                self._errors.add((row.code,))

    def _served(self, row: Answered) -> None:
        self._waits.see((row.model,), row.queued)
        if row.first_byte is not None:
            self._first_bytes.see((row.model,), row.first_byte)
        if row.prompt:
            self._tokens.add((row.model, "in"), row.prompt)
        if row.completion:
            self._tokens.add((row.model, "out"), row.completion)

    def _model(self, said: str) -> str:
        """The model's own name, a pool's, or UNKNOWN; empty where none was named."""
        catalog = self._config.catalog
        if not said or said in catalog.models:
            return said
        if (found := catalog.resolve(said)) is not None:
            return found[0].name
        pool = catalog.pool(said)
        return pool.name if pool is not None else UNKNOWN
