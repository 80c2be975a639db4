"""Keys that stand in files of their own, or among the credentials that systemd hands to a unit."""

from __future__ import annotations

import os
from pathlib import Path

from swapd.config.problems import Place, Problems
from swapd.config.units import MOST_KEY

_OTHERS = 0o077
"""The bits of a file's mode that are not its owner's."""
_MOST_BYTES = 4 * MOST_KEY


class KeyFiles:
    """Reads keys, and tells what is wrong with their files. ``credentials``: systemd's folder for them, if any.

    systemd.exec(5): each unit has a folder of its own, which $CREDENTIALS_DIRECTORY names.
    """

    def __init__(self, credentials: str | None, problems: Problems, warnings: Problems) -> None:
        self.looked_at: list[Path] = []
        """Their edits matter."""
        self._credentials = credentials
        self._problems = problems
        self._warnings = warnings

    def in_file(self, file: str, place: Place, key: str) -> str | None:
        """The key in the file, None if there is none. The config names the file at ``place``, in ``key``."""
        found = self._read(Path(file), place, key, "put one line into it")
        if found is not None and found[1] & _OTHERS:
            self._warnings.add(place, key, f"'{file}' is open to others than its owner: say chmod 600 {file}")
        return None if found is None else found[0]

    def credential(self, name: str, place: Place, key: str) -> str | None:
        """The key that systemd keeps under this name. Its mode tells nothing: access lists show up in it."""
        advice = f"say 'LoadCredential={name}:PATH' in swapd's unit"
        if not self._credentials:
            message = f"cannot read the credential '{name}': $CREDENTIALS_DIRECTORY is not set"
            self._problems.add(place, key, f"{message}; {advice}, or give a 'key_file'")
            return None
        found = self._read(Path(self._credentials, name), place, key, advice)
        return None if found is None else found[0]

    def _read(self, path: Path, place: Place, key: str, advice: str) -> tuple[str, int] | None:
        self.looked_at.append(path)
        try:
            return _content(path)
        except ValueError as error:
            self._problems.add(place, key, f"cannot read the key in '{path}': {error}; {advice}")
            return None


def _content(path: Path) -> tuple[str, int]:
    """The text in the file, and the file's mode. Raises ValueError with the reason why there is no text."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")  # a pipe would keep us waiting
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES + 1)
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    if not text or len(data) > _MOST_BYTES:
        raise ValueError("it is too large for a key" if text else "it is empty")
    return text, mode
