"""The words of a scrape: prometheus_client's, of a copy of all numbers. Imported in a thread, and late."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from prometheus_client import GC_COLLECTOR, PROCESS_COLLECTOR
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from swapd.metrics import foreign
from swapd.metrics.families import BOUNDS, Labels
from swapd.metrics.now import Picture
from swapd.metrics.table import BY_NAME, COUNTER, HISTOGRAM, INFO
from swapd.metrics.table import Metric as Row

Numbers = Mapping[Labels, float | Sequence[float]]
_LE = (*(str(bound) for bound in BOUNDS), "+Inf")
_AS_IT_IS = "allow-utf-8"
"""Names stay as they are. None of ours needs another alphabet than there always was; but without this, what is
said in OpenMetrics loses the colon of ``llamacpp:`` (prometheus_client 0.26)."""
_QUICKLY = 1
"""gzip's level: half the time of its usual one for a tenth more bytes."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """All that one scrape is made of. ``counted``: by the names of the table."""

    counted: Mapping[str, Numbers]
    picture: Picture
    pages: Mapping[str, bytes | None]

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client wants it of a collector."""
        engines, failed = foreign.families(self.pages)
        found: dict[str, dict[Labels, float | Sequence[float]]] = {name: {} for name in BY_NAME}
        for name, labels, value in self.picture.values:
            found[f"swapd_{name}"][labels] = value
        for model, bad in failed.items():
            found["swapd_engine_scrape_failed"][model,] = bad
        for name, row in BY_NAME.items():
            yield _family(row, self.counted.get(name, found[name]))
        yield from engines
        yield from PROCESS_COLLECTOR.collect()
        yield from GC_COLLECTOR.collect()


def worded(scrape: Scrape, accept: str, *, packed: bool) -> tuple[bytes, str]:
    """The page and its content type, of those that ``accept`` takes; ``packed``: by gzip."""
    try:
        encoder, content_type = choose_encoder(accept)
    except (ValueError, TypeError):  # it asks for a version that is no number
        encoder, content_type = choose_encoder("")
    text = cast("Callable[..., bytes]", encoder)(scrape, escaping=_AS_IT_IS)
    return gzip.compress(text, _QUICKLY) if packed else text, content_type


def _family(row: Row, numbers: Numbers) -> Metric:
    if row.type == HISTOGRAM:
        return _histogram(row, numbers)
    if row.type == INFO:
        info = InfoMetricFamily(row.name.removesuffix("_info"), row.help, labels=())
        for labels in numbers:
            info.add_metric((), dict(zip(row.labels, labels, strict=True)))
        return info
    kind = CounterMetricFamily if row.type == COUNTER else GaugeMetricFamily
    family = kind(row.name, row.help, labels=row.labels)
    for labels, value in numbers.items():
        assert isinstance(value, int | float)
        family.add_metric(_sayable(labels), value)
    return family


def _histogram(row: Row, numbers: Numbers) -> Metric:
    """Prometheus counts in each bucket all that is no longer than it."""
    family = HistogramMetricFamily(row.name, row.help, labels=row.labels)
    for labels, seen in numbers.items():
        assert not isinstance(seen, int | float)
        *counts, total = seen
        passed, buckets = 0.0, []
        for bound, count in zip(_LE, counts, strict=True):
            passed += count
            buckets.append((bound, passed))
        family.add_metric(_sayable(labels), buckets, total)
    return family


def _sayable(labels: Labels) -> list[str]:
    """Half characters, which YAML and JSON can bring in and UTF-8 cannot say, are spelt out."""
    return [label.encode("utf-8", "backslashreplace").decode() for label in labels]
