"""A verb loads what it needs and no more: nobody waits for a web framework to ask one question."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ASKING = "import swapd.cli.status, swapd.cli.load, swapd.cli.unload, swapd.cli.logs, swapd.cli.events"


@pytest.mark.parametrize(
    ("code", "spared"),
    [
        ("import swapd.cli, swapd.cli.version", {"http.client", "msgspec", "yaml"}),
        (f"{ASKING}, swapd.cli.explain, swapd.cli.reload", {"yaml", "swapd.config", "swapd.machine", "psutil"}),
        (
            "import swapd.cli.check.command",
            {"swapd.daemon", "swapd.core.scheduler", "swapd.machine", "psutil", "watchfiles"},
        ),
    ],
)
def test_a_verb_imports_only_what_it_needs(code, spared):
    tell = "import sys, json; print(json.dumps(list(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", f"{code}; {tell}"], capture_output=True, check=True, timeout=30)
    assert not (spared | {"aiohttp", "asyncio", "uvloop", "rich"}) & set(json.loads(told.stdout))
