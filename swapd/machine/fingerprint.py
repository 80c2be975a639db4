"""What makes two launches the same to the ledger: the same words, the same files, the same build.

Only ``stat`` is asked of files. That still can block on a sleeping disk, so call it in a thread.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG

from swapd.core.spec import Launch
from swapd.machine.gguf import parts

_NAME = "--alias"
"""The model's name to its clients: another one takes no more memory."""
_WRITTEN = {"--log-file", "-lcd", "--lookup-cache-dynamic"}
"""llama-server's flags (b10434) whose file it writes itself: that one changes with every run."""
_JOINTS = re.compile("[,=:]")
"""What stands around a path within a word: ``a.gguf,b.gguf``, ``--model=a.gguf``, ``a.gguf:0.5``."""


def fingerprint(launch: Launch, binary: str | None) -> str:
    """24 hex digits that stay while a launch can be expected to take the same memory again.

    ``binary``: path of the executable that ``argv[0]`` comes down to, None if there is none. What the launch
    leaves open (port, threads, devices) stays open here; its working folder only says where relative paths begin.
    A file that is missing counts as absent: once it has come, the fingerprint is another.
    """
    words = _unnamed(launch.argv)
    folder = Path(launch.cwd or "")
    files = [[_stamp(folder / path) for path in _paths(word)] for word in _read_by(words)]
    build = _stamp(folder / binary) if binary else None
    # ascii(), because it is unambiguous and the same in every Python, whatever is in the words
    told = ascii((words, tuple(launch.env), files, build))
    return blake2b(told.encode("ascii"), digest_size=12).hexdigest()


def _unnamed(argv: Sequence[str]) -> list[str]:
    """The command line without the model's name."""
    before = ("", *argv)
    return [word for last, word in zip(before, argv, strict=False) if last != _NAME and _flag(word) != _NAME]


def _read_by(words: Sequence[str]) -> Iterator[str]:
    """The words whose files the engine reads."""
    last = ""
    for word in words:
        if last not in _WRITTEN and _flag(word) not in _WRITTEN:
            yield word
        last = "" if "=" in word else _flag(word)


def _flag(word: str) -> str:
    """The flag in ``--flag=value``. llama.cpp takes ``_`` for ``-``."""
    flag = word.partition("=")[0]
    return flag.replace("_", "-") if flag.startswith("--") else flag


@functools.lru_cache(maxsize=1024)
def _paths(word: str) -> tuple[Path, ...]:
    """All that a word may mean as files, a split model's other parts included.

    Remembered: the launches of one config share most of their words.
    """
    meant = [Path(piece) for piece in dict.fromkeys([word, *_JOINTS.split(word)]) if piece]
    return tuple(dict.fromkeys(path for named in meant for path in (named, *parts(named))))


def _stamp(path: Path) -> tuple[int, int] | None:
    """Bytes and mtime (ns) of a file; None for what is no file, or cannot be seen."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the word
        return None
    return (found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) else None
