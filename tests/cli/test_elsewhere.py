"""What verbs show of models whose engines somebody else runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swapd.cli.status import show
from tests.cli.test_status import NOW, READY, STATUS

CONFIG = """
models:
  desk:
    engine: lmstudio
    url: http://desk.home.arpa:1234/v1
    api_key: k-of-the-desk
    preload: true
"""


async def test_check_shows_where_it_runs_and_never_its_key(tmp_path: Path, swapd):
    path = tmp_path / "swapd.yaml"
    path.write_text(CONFIG)
    done = await swapd("check", "-c", str(path))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:4] == [
        "desk",
        "  url      http://desk.home.arpa:1234 (lmstudio)",
        "  ttl      never (preloaded)",
        "",
    ]
    data = await swapd("check", "-c", str(path), "--json")
    (desk,) = json.loads(data.stdout)["models"]
    assert (desk["url"], desk["command"], desk["cost"]) == ("http://desk.home.arpa:1234", [], {})
    assert "k-of-the-desk" not in done.stdout + data.stdout


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("http://192.168.1.20:1234", "192.168.1.20:1234"),
        ("https://api.example.com/openai", "api.example.com"),
        ("http://127.0.0.1:9301", "9301"),
    ],
)
def test_status_shows_the_host_where_it_is_not_this_one(pipe, endpoint, shown):
    show(pipe, STATUS | {"models": [READY | {"endpoint": endpoint}]}, NOW)
    assert pipe.shown.splitlines()[1].split()[3] == shown
