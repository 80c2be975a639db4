"""Where other tools keep the models that they have fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_SNAPSHOT = re.compile(r"(?P<repo>.*/models--[^/]+)/snapshots/(?P<revision>[^/]+)/(?P<file>.+)", re.DOTALL)
MOST_REVISION = 100


def caches(environ: Mapping[str, str]) -> list[Path]:
    """The folders of llama.cpp, Hugging Face and LM Studio, whether they exist or not.

    llama.cpp keeps what ``-hf`` fetched in LLAMA_CACHE or ``~/.cache/llama.cpp``, newer builds in Hugging Face's
    own folder (llama.cpp, tools/server/README.md); that is HF_HUB_CACHE, else ``hub`` in HF_HOME (huggingface_hub,
    environment variables).
    """
    home = Path(environ.get("HOME") or Path.home())
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    hub = environ.get("HF_HUB_CACHE") or Path(environ.get("HF_HOME") or cache / "huggingface") / "hub"
    return [
        Path(environ.get("LLAMA_CACHE") or cache / "llama.cpp"),
        Path(hub),
        home / ".lmstudio" / "models",
        cache / "lm-studio" / "models",
    ]


def newer_of(path: Path) -> Path | None:
    """For a file in an older revision of Hugging Face's folder the same one in that which ``refs/main`` names.

    A repository is ``models--OWNER--NAME``, with ``snapshots/REVISION/FILE`` (huggingface_hub, on
    its cache).
    """
    found = _SNAPSHOT.fullmatch(str(path.absolute()))
    main = Path(found["repo"], "refs", "main") if found else None
    if found is None or main is None or not main.is_file():
        return None
    try:
        with main.open() as file:
            revision = file.read(MOST_REVISION).strip()
    except (OSError, ValueError):
        return None
    newer = Path(found["repo"], "snapshots", revision, found["file"])
    return newer if revision not in ("", found["revision"]) and newer.is_file() else None


def stores(environ: Mapping[str, str]) -> list[Path]:
    """Ollama's stores: OLLAMA_MODELS, the user's, and that of its Linux service (Ollama's FAQ)."""
    home = Path(environ.get("HOME") or Path.home())
    named = environ.get("OLLAMA_MODELS")
    usual = [home / ".ollama" / "models", Path("/usr/share/ollama/.ollama/models")]
    return [Path(named), *usual] if named else usual
