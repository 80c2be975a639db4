"""A config of many models, each with a GGUF of its own, on one binary: what ``swapd check`` looks through."""

from __future__ import annotations

from pathlib import Path

from swapd.cli.tiny_model import write_chat
from swapd.machine.gguf import FIRST_BYTES

SIZE = 32 << 20
"""Bytes of each file, nearly all of them a hole."""
HELP = "-m,    --model FNAME                    model\\n-c,    --ctx-size N                     context\\n"


def make(folder: Path, models: int) -> Path:
    """The config; beside it the models, and a binary that counts its starts in ``starts``."""
    write_chat(folder / "m0.gguf", "x")
    header = (folder / "m0.gguf").read_bytes()[:FIRST_BYTES]
    for n in range(models):
        with (folder / f"m{n}.gguf").open("wb") as file:
            file.write(header)
            file.truncate(SIZE)
    engine = folder / "llama-server"
    engine.write_text(f"#!/bin/sh\necho started >> {folder}/starts\nprintf -- '{HELP}'\n")
    engine.chmod(0o755)
    entries = "".join(f"  m{n}: {{path: {folder}/m{n}.gguf, context: {512 + n}}}\n" for n in range(models))
    config = folder / "swapd.yaml"
    config.write_text(f"defaults: {{binary: {engine}}}\nmodels:\n{entries}")
    return config
