"""Where an engine's binary is found when the operator names none (``binary: auto``)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

TRUE, FRONT = "llama-server", "swapd-llama-server"

HOW_TO_GET_ONE = (
    "install llama.cpp so that llama-server is on the PATH (github.com/ggml-org/llama.cpp/releases, or your "
    "distribution's package), or run: pip install 'swapd[engine]'"
)


def find_binary(environ: Mapping[str, str] = os.environ) -> str | None:
    """A ``llama-server`` on the PATH, else our own front if its engine is installed, else None."""
    path = environ.get("PATH", os.defpath)
    if found := shutil.which(TRUE, path=path):
        return found
    if find_spec("xllamacpp") is None:
        return None
    beside = str(Path(sys.executable).parent)
    return shutil.which(FRONT, path=beside) or shutil.which(FRONT, path=path)
