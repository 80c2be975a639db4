"""Ollama's store: ``manifests/HOST/OWNER/NAME/TAG`` names the blobs that make a model.

A manifest is JSON of the OCI image form: ``layers`` with a ``mediaType`` and a ``digest``; ``sha256:x`` lies in
``blobs/sha256-x`` (Ollama, docs/faq and its manifest package).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swapd.scan.found import Candidate, Scan

MOST_MANIFEST = 1 << 20
MOST_TEXT = 1 << 16
MOST_MODELS = 10_000
_TEXTS = ("params", "template", "system", "messages")
_KIND = "application/vnd.ollama.image."
HERE = ("registry.ollama.ai", "library")
"""What Ollama leaves out of a name."""


def stored(store: Path, scan: Scan) -> Iterator[Candidate]:
    """The models of a store under their names."""
    manifests = store / "manifests"
    count = 0
    told = lambda error: scan.leave(manifests, error.strerror or str(error))  # noqa: E731  (shorter than a name)
    for folder, folders, names in os.walk(manifests, onerror=told):
        folders.sort()
        for tag in sorted(names):
            count += 1
            scan.entries += 1
            if count > MOST_MODELS:
                return
            if not tag.startswith("."):
                yield from _model(store, Path(folder) / tag, scan)


def _model(store: Path, manifest: Path, scan: Scan) -> Iterator[Candidate]:
    try:
        layers = _layers(manifest)
        model = layers.get("model")
        if not model:
            scan.leave(manifest, "its model runs elsewhere, in Ollama's cloud: there are no weights of it here")
            return
        path = _blob(store, model)
        found = path.stat()
        projector = _blob(store, layers["projector"]) if "projector" in layers else None
    except OSError as error:
        scan.leave(manifest, f"a model of Ollama's that cannot be read: {error.strerror or error}")
        return
    except ValueError as error:
        scan.leave(manifest, f"no manifest of Ollama's: {error}")
        return
    if "adapter" in layers:
        scan.leave(_blob(store, layers["adapter"]), f"an adapter for {_name(store, manifest)}: add it with 'lora'")
    identity = (found.st_dev, found.st_ino)
    yield Candidate(path, identity, found.st_size, _name(store, manifest), projector, manifest)


def texts(store: Path, manifest: Path) -> dict[str, str]:
    """What a model says besides its weights: ``params`` (JSON), ``template``, ``system``, ``messages``."""
    found = {}
    for kind, digest in _layers(manifest).items():
        if kind in _TEXTS:
            with contextlib.suppress(OSError, ValueError), _blob(store, digest).open("rb") as file:
                found[kind] = file.read(MOST_TEXT).decode(errors="replace")
    return found


def are_alike(manifest: Path, other: Path) -> bool:
    """Whether two names stand for the same in every respect: weights, template, parameters."""
    with contextlib.suppress(OSError, ValueError):
        return _layers(manifest) == _layers(other)
    return False


def _layers(manifest: Path) -> dict[str, str]:
    """Kind -> digest. Raises OSError and ValueError."""
    if not manifest.is_file():
        raise ValueError("it is no file")
    with manifest.open("rb") as file:
        text = file.read(MOST_MANIFEST + 1)
    if len(text) > MOST_MANIFEST:
        raise ValueError("it is too large for one")
    try:
        data: Any = json.loads(text)
        layers = data["layers"]
        return {str(x["mediaType"]).removeprefix(_KIND): str(x["digest"]) for x in reversed(layers)}
    except (KeyError, TypeError, RecursionError):
        raise ValueError("it has no layers") from None


def _blob(store: Path, digest: str) -> Path:
    """Raises ValueError for what is no digest, and may lead anywhere."""
    kind, _, value = digest.partition(":")
    if kind != "sha256" or len(value) != 64 or not all(each in "0123456789abcdef" for each in value):
        raise ValueError(f"'{digest[:80]}' is no digest")
    return store / "blobs" / f"sha256-{value}"


def _name(store: Path, manifest: Path) -> str:
    """``qwen3:8b``, ``owner/name:tag``, ``hf.co/owner/name:tag``: as Ollama says it."""
    *parts, tag = manifest.relative_to(store / "manifests").parts
    for known in HERE:
        if parts and parts[0] == known:
            parts = parts[1:]
    return f"{'/'.join(parts)}:{tag}"
