"""Clients for JavaScript: what they get of a daemon is told by scripts of ``js/``, as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "js"


def tell(package: str, script: str, *words: str) -> dict[str, Any]:
    """What ``node SCRIPT WORDS`` tells. Skips the test where there is no node, or no such package."""
    if shutil.which("node") is None or not (FOLDER / "node_modules" / package).is_dir():
        pytest.skip("needs node and npm, and once: npm ci --prefix tests/real/js")
    command = ["node", str(FOLDER / script), *words]
    output = subprocess.run(command, stdout=subprocess.PIPE, timeout=50, check=True).stdout
    told: dict[str, Any] = json.loads(output)
    return told
