"""What a terminal sends, as names of keys.

Special keys come as ESC and more bytes (ECMA-48; the ones that xterm, the Linux console and tmux send), in one
piece or in several: an ESC after which nothing comes is the Esc key.
"""

from __future__ import annotations

import codecs

ESC = "\x1b"
PLAIN = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x03": "ctrl-c",
    "\x04": "pagedown",
    "\x15": "pageup",
    "\x0c": "ctrl-l",
}
SPECIAL = {
    "A": "up",
    "B": "down",
    "C": "right",
    "D": "left",
    "H": "home",
    "F": "end",
    "1~": "home",
    "7~": "home",
    "4~": "end",
    "8~": "end",
    "5~": "pageup",
    "6~": "pagedown",
}


class Keys:
    """Bytes in, names out: a printable character is its own name, what is not known is dropped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._open = ""
        """The beginning of a sequence."""

    @property
    def waits(self) -> bool:
        """Whether the last ESC may be a key of its own, or the beginning of more."""
        return bool(self._open)

    def read(self, data: bytes) -> list[str]:
        """The keys that are complete."""
        found = []
        for character in self._decoder.decode(data):
            if self._open:
                found += self._go_on(character)
            elif character == ESC:
                self._open = ESC
            elif (name := PLAIN.get(character)) is not None:
                found.append(name)
            elif character.isprintable():
                found.append(character)
        return found

    def flush(self) -> list[str]:
        """Nothing came after the ESC for a while."""
        alone, self._open = self._open == ESC, ""
        return ["esc"] if alone else []

    def _go_on(self, character: str) -> list[str]:
        if character == ESC:  # Esc twice, or a sequence that was cut off by another
            alone, self._open = self._open == ESC, ESC
            return ["esc"] if alone else []
        if len(self._open) == 1:
            if character in "[O":
                self._open += character
                return []
            self._open = ""
            return []  # Alt and a key
        if "@" <= character <= "~":
            body, self._open = self._open[2:] + character, ""
            return [name] if (name := SPECIAL.get(body)) else []
        self._open += character
        return []
