"""All metrics there are, as data: what is not in this table is not exported."""

from __future__ import annotations

from typing import NamedTuple

COUNTER, GAUGE, HISTOGRAM, INFO = "counter", "gauge", "histogram", "info"


class Metric(NamedTuple):
    """One row. A histogram is shown as ``name_bucket``, ``name_sum`` and ``name_count``."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


def _rows(type: str, *rows: tuple[str, str, str]) -> tuple[Metric, ...]:
    return tuple(Metric(f"swapd_{name}", type, tuple(labels.split()), help) for name, labels, help in rows)


METRICS = (
    *_rows(
        COUNTER,
        ("requests_total", "model client route code", "requests that have ended"),
        ("request_errors_total", "error", "requests answered with an error of swapd's own, by its code"),
        ("tokens_total", "model direction", "tokens of prompts (in) and of answers (out)"),
        ("refusals_total", "reason", "requests for an engine that were turned away, by reason"),
        ("swaps_total", "model cause", "engines that were loaded into room that others made, by what for"),
        ("loads_total", "model", "loads that ended well"),
        ("engine_starts_total", "model cause", "engines started; cause restart: to come back after a failure"),
        ("engine_stops_total", "model cause", "engines told to stop"),
        ("engine_failures_total", "model reason", "engines that failed: exit, signal, start, overdue or sick"),
    ),
    *_rows(
        HISTOGRAM,
        ("request_duration_seconds", "model route", "from a request's arrival to its end"),
        ("queue_wait_seconds", "model", "how long a request that was served waited, for a load or a place"),
        ("first_byte_seconds", "model", "from the engine's being asked to its first byte"),
        ("load_duration_seconds", "model", "from a start to being ready"),
        ("swap_duration_seconds", "", "from the beginning of the first drain to the new engine's being ready"),
        (
            "swap_part_duration_seconds",
            "part",
            "drain, stop, freed (memory seen free), spawn (until it listens), load, first_byte",
        ),
    ),
    *_rows(
        GAUGE,
        ("queue_length", "model", "requests that wait now"),
        ("queue_oldest_seconds", "model", "for how long the oldest of them has waited"),
        ("queue_limit", "", "how many may wait in all (scheduling.queue)"),
        ("leases", "model", "requests that an engine serves now"),
        ("slots", "model", "requests that an engine may serve at once (concurrency)"),
        ("connections", "", "connections of clients now"),
        ("engine_state", "model state", "1 for the state that it is in now; cold: there is no engine"),
        ("engine_failures_in_a_row", "model", "0 once it was healthy for a while"),
        ("engine_scrape_failed", "model", "1 if a llama.cpp engine that is up gave no metrics of its own"),
        ("model_needed_bytes", "model device", "memory reckoned for an engine of it"),
        ("model_measured_bytes", "model device", "memory that its engine was last seen to hold"),
        ("model_prediction_error_ratio", "model", "measured / needed - 1, over what is measured; 0.1: 10 % more"),
        ("device_size_bytes", "device", "memory there is"),
        ("device_budget_bytes", "device", "memory that engines may take"),
        ("device_used_bytes", "device", "memory reckoned for the engines that are there"),
        ("device_free_bytes", "device", "memory read as free"),
        ("device_strangers_bytes", "device", "memory that processes hold which are not swapd's"),
        ("device_lost", "device", "1 if the device was there and is gone"),
        ("device_reading_age_seconds", "", "since the meters were read"),
        ("budget", "resource", "how much there is of a counted resource"),
        ("budget_used", "resource", "how much of it engines take"),
        ("uptime_seconds", "", "since this life of the daemon began; an upgrade begins a new one"),
        ("config_generation", "", "counts the configs that were taken over"),
        ("config_last_reload_successful", "", "0 while the file has problems that keep it from being taken over"),
        ("config_last_reload_success_timestamp_seconds", "", "when the file was last read and found good"),
    ),
    *_rows(INFO, ("build_info", "version python", "what runs; always 1")),
)
BY_NAME = {metric.name: metric for metric in METRICS}
