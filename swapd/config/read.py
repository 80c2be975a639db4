"""A file in, a tree with line numbers out; or problems, never a traceback."""

from __future__ import annotations

from pathlib import Path

from yaml.reader import Reader

from swapd.config.compose import Unreadable, compose
from swapd.config.pieces import Pieces
from swapd.config.problems import Place, Problems
from swapd.config.tree import Map

MOST_BYTES = 4 << 20
_PLAIN = b"\t\n\r" + bytes(range(0x20, 0x7F))
"""Whoever writes nothing else, as most do, is spared a slow look at each character."""


def read(path: Path, problems: Problems, pieces: Pieces) -> Map | None:
    """The mapping that the file holds. None if it cannot be used; then ``problems`` has grown."""
    try:
        text = _text(path)
        root = pieces.compose(text, str(path)) or compose(text, str(path), problems)
    except Unreadable as error:
        problems.add(error.place, "", str(error))
        return None
    if isinstance(root, Map):
        return root
    problems.add(root.place, "", "the file must be a mapping of keys, such as 'models:'")
    return None


def _text(path: Path) -> str:
    """The file's text without its byte order mark. Raises Unreadable."""
    start = Place(str(path))
    data = _bytes(path, start)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig", "replace")
        raise Unreadable(_after(good, start), "this is not UTF-8: save the file in that encoding") from None
    if data.translate(None, _PLAIN) and (odd := Reader.NON_PRINTABLE.search(text)) is not None:
        message = f"the control character U+{ord(odd.group()):04X} cannot stand in YAML: remove it"
        raise Unreadable(_after(text[: odd.start()], start), message)
    return text


def _bytes(path: Path, start: Place) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise Unreadable(start, "cannot read the config: it is not a file; name the file itself")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        advice = "check the path and who may read it"
        raise Unreadable(start, f"cannot read the config: {reason}; {advice}") from None
    if len(data) > MOST_BYTES:
        raise Unreadable(start, f"the file is larger than {MOST_BYTES >> 20} MiB: split it with 'include'")
    return data


def _after(text: str, start: Place) -> Place:
    """The place just behind ``text``."""
    lines = text.replace("\r\n", "\n").split("\n")
    return Place(start.file, len(lines), len(lines[-1]) + 1)
