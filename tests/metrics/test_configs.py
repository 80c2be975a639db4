"""The dashboard and the alert rules ask for nothing that is not exported, and promtool finds them well-formed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from swapd.metrics.table import BY_NAME, HISTOGRAM

CONFIGS = Path(__file__).parents[2] / "configs"
LLAMA = """prompt_tokens_total prompt_tokens_cached_total prompt_seconds_total tokens_predicted_total
tokens_predicted_seconds_total n_decode_total n_tokens_max spec_decode_num_draft_tokens_total
spec_decode_num_accepted_tokens_total spec_decode_num_drafts_total prompt_tokens_seconds predicted_tokens_seconds
requests_processing requests_deferred n_busy_slots_per_decode"""
"""What llama-server b10434 says of itself, told with --metrics."""
OTHERS = {"process_resident_memory_bytes", "process_cpu_seconds_total", "up"}
_NAME = re.compile(r"\b(?:swapd_\w+|llamacpp:\w+|process_\w+|up\b)")
_MATCHED = re.compile(r"(swapd_\w+)\{([^}]*)\}")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian: prometheus)")


def exported() -> set[str]:
    """All names that a query may have."""
    shown = {
        f"{name}_{end}" for name, m in BY_NAME.items() if m.type == HISTOGRAM for end in ("bucket", "sum", "count")
    }
    plain = {name for name, metric in BY_NAME.items() if metric.type != HISTOGRAM}
    return shown | plain | {f"llamacpp:{name}" for name in LLAMA.split()} | OTHERS


def panels() -> list[dict[str, Any]]:
    """Of the dashboard, rows left out."""
    board = json.loads((CONFIGS / "grafana" / "swapd.json").read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Of the dashboard."""
    return [target["expr"] for panel in panels() for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    """Of the alerts."""
    (group,) = yaml.safe_load((CONFIGS / "prometheus" / "alerts.yaml").read_text())["groups"]
    return group["rules"]


@pytest.mark.parametrize("query", [*queries(), *(rule["expr"] for rule in rules())])
def test_every_query_asks_for_what_is_exported_by_labels_that_it_has(query):
    names = set(_NAME.findall(query))
    assert names
    assert names <= exported()
    for name, matchers in _MATCHED.findall(query):
        known = BY_NAME.get(name) or BY_NAME[re.sub(r"_(bucket|sum|count)$", "", name)]
        asked = set(re.findall(r"(\w+)\s*[=!]~?", re.sub(r'"[^"]*"', '""', matchers)))
        assert asked <= {*known.labels, "instance", "job", "le"}


def test_the_dashboard_is_one_that_grafana_can_place_and_feed():
    board = json.loads((CONFIGS / "grafana" / "swapd.json").read_text())
    assert board["schemaVersion"] >= 36  # Grafana 10
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource", "instance", "model"]
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}


def test_the_dashboard_shows_what_the_table_has():
    shown = " ".join(queries())
    unseen = {name for name in BY_NAME if name not in shown}
    assert unseen <= {
        *("swapd_uptime_seconds", "swapd_loads_total", "swapd_engine_failures_in_a_row"),
        *("swapd_device_lost", "swapd_device_reading_age_seconds", "swapd_budget", "swapd_budget_used"),
    }


def test_every_alert_is_played_through():
    played = yaml.safe_load((CONFIGS / "prometheus" / "alerts.test.yaml").read_text())["tests"][0][
        "alert_rule_test"
    ]
    fired = {test["alertname"] for test in played if test["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}


@needs_promtool
@pytest.mark.parametrize(
    "words", ["check config prometheus.yml", "check rules alerts.yaml", "test rules alerts.test.yaml"]
)
def test_promtool_accepts_it(words):
    command = ["promtool", *words.split()]
    done = subprocess.run(
        command, cwd=CONFIGS / "prometheus", check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
