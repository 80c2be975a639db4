"""Small files with the headers of large models, and stores as other tools keep them."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from swapd.cli.scan.config import facts_of
from swapd.scan import Scan, Search

TEMPLATE = {"tokenizer.chat_template": "{{ messages }}"}


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<IB", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case list():
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    raise TypeError(value)


def gguf(path: Path, arch: str = "llama", size: int = 64, *, tensors: int = 1, **more: Any) -> Path:
    """A file of one tensor. ``more``: further metadata; ``__`` stands for a dot."""
    values = {"general.architecture": arch, f"{arch}.block_count": 2, f"{arch}.context_length": 40960}
    values |= {f"{arch}.embedding_length": 64, f"{arch}.attention.head_count": 2}
    values |= {name.replace("__", "."): value for name, value in more.items()}
    head = b"GGUF" + struct.pack("<IQQ", 3, tensors, len(values))
    head += b"".join(_text(name) + _value(value) for name, value in values.items())
    for n in range(tensors):
        head += _text(f"t{n}") + struct.pack("<IQIQ", 1, size // 4, 0, n * size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + b"\0" * (-len(head) % 32) + path.name.encode().ljust(size * tensors, b"\0"))
    return path


def chat(path: Path, arch: str = "llama", **more: Any) -> Path:
    """A model with a chat template."""
    return gguf(path, arch, **TEMPLATE, **more)


def scan(
    *folders: Path, stores: tuple[Path, ...] = (), taken: frozenset[str] = frozenset(), **bounds: int
) -> Scan:
    """What is found."""
    return Search(facts_of, **bounds).run(folders, stores, taken)


def told(found: Scan) -> dict[str, str]:
    """File -> why it was left out."""
    return {left.path.name: left.why for left in found.left}


class Ollama:
    """A store such as Ollama keeps, after its documentation and source; no Ollama runs where the tests do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs").mkdir(parents=True)
        (folder / "manifests").mkdir()

    def blob(self, source: Path) -> str:
        """Take a file in; its digest."""
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        source.rename(self.folder / "blobs" / f"sha256-{digest}")
        return f"sha256:{digest}"

    def tag(self, name: str, **layers: str) -> Path:
        """A manifest, ``registry.ollama.ai/library/qwen3/8b``."""
        path = self.folder / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kinds = [
            {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": digest, "size": 1}
            for kind, digest in layers.items()
        ]
        path.write_text(json.dumps({"schemaVersion": 2, "config": {}, "layers": kinds}))
        return path
