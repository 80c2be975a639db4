"""The engines' own metrics, read and put together: one family for all engines, their model as a label.

What an engine says is no word of ours: it is bounded, and of its names only llama.cpp's are taken over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

TYPES = frozenset({"counter", "gauge", "unknown"})
LINES, LINE = 500, 1000
"""Lines of a page that are read, and characters of one: the parser's time grows with the square of that."""
SERIES = 200
"""Of one engine."""
TEXT = 200
"""Characters of a help text or of a label."""
_OURS = re.compile(r"(?:# (?:HELP|TYPE) )?llamacpp:[a-zA-Z0-9_:]+[ {]")
_BARE_COUNTER = re.compile(r"(# TYPE \S+(?<!_total)) counter\s*")
"""llama-server (b10434) has one, ``n_tokens_max``. OpenMetrics has no such thing: it is shown without a type."""
_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_Told = tuple[Metric, list[Sample]]


def families(pages: Mapping[str, bytes | None]) -> tuple[list[Metric], dict[str, bool]]:
    """Of all engines' pages, by model; and for each model whether it gave none that could be read."""
    found: dict[str, Metric] = {}
    failed = {}
    for model, page in pages.items():
        try:
            told = list(_read(page, model)) if page is not None else []
        except Exception:  # the parser meets bytes of somebody else's, and says in many ways that it cannot
            told = []
        failed[model] = not told
        for metric, samples in told:
            family = found.setdefault(metric.name, Metric(metric.name, metric.documentation[:TEXT], metric.type))
            if family.type == metric.type:  # else engines of two builds disagree: the first is right
                family.samples += samples
    return list(found.values()), failed


def _read(page: bytes, model: str) -> Iterator[_Told]:
    """A page's families with their series, each once, and no more than SERIES of them."""
    lines = [line for line in page.decode("utf-8", "replace").split("\n")[:LINES] if len(line) <= LINE]
    ours = [_BARE_COUNTER.sub(r"\1 untyped", line) for line in lines if _OURS.match(line)]
    seen: set[tuple[str, ...]] = set()
    for metric in text_string_to_metric_families("\n".join(ours)):
        samples = []
        for sample in metric.samples if metric.type in TYPES else ():
            labels = _labels(sample, model)
            key = (sample.name, *sorted(f"{name}={value}" for name, value in labels.items()))
            if key not in seen and len(seen) < SERIES and all(map(_LABEL.fullmatch, labels)):
                seen.add(key)
                samples.append(Sample(sample.name, labels, float(sample.value)))
        if samples:
            yield metric, samples


def _labels(sample: Sample, model: str) -> dict[str, str]:
    """Its own, and the model; one of its own that is called so gets another name, as in Prometheus."""
    own = {name: value[:TEXT] for name, value in sample.labels.items()}
    if "model" in own:
        own["exported_model"] = own.pop("model")
    return own | {"model": model}
