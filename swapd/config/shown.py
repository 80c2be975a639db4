"""A config's text as the operator may be shown it in a browser: without its secrets.

It is told what is secret by the names of keys, flags and variables, and by the secrets that are in force. The text
may be no YAML at all (that is when one wants to see it), so besides it is read as lines; and in doubt rather too
much is hidden. What stands as ``${env.NAME}`` is no secret, and stays. No line is added or taken away, so that
problems stand where they are told to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from swapd.config.read import MOST_BYTES
from swapd.config.secret_values import secret_values
from swapd.core.settings import Settings
from swapd.core.spec import Catalog

HIDDEN = "HIDDEN"
SHORTEST = 6
"""Characters of a secret that is looked for wherever it stands; a shorter one may be part of any word."""
LONGEST = 20_000
"""Characters of a line that is shown."""
CHUNK = 8192
"""Characters that are looked at in one go: no other thread can do anything meanwhile."""
_NAME = r"[\w.-]*(?:key|token|secret|password|passwd|passphrase|pwd|pass|auth|authorization|credentials)"
_SECRET = re.compile(_NAME, re.IGNORECASE)
_QUOTED = r'"(?:[^"\\\n]|\\.)*"?|\'(?:[^\'\n]|\'\')*\'?'
_FILLED = r"\$\{[\w.-]+\}"
_INNER_QUOTED = r"""\\"(?:[^"\\]|\\[^"])*\\"|\'\'.*?\'\'"""
_BARE = rf"""(?:{_FILLED}|[^\s,"'\]}}]|,(?=[^\s"'\]}}]))+"""
_WORD = rf"(?P<value>{_INNER_QUOTED}|{_QUOTED}|{_BARE})"
"""A comma within it is one of a list of keys. Quotes may stand within quotes, as YAML writes them there."""
_FLAG = r"(?<![\w-])--?(?:[\w-]*[-_])?(?:(?:api)?key|token|password|secret|auth|hft)"
_GAP = r"""(?:[ \t\\]|\n(?=\s*(?:\#|\n))|(?:(?<=\s)|^)\#[^\n]*)"""
"""What may stand between a flag and the line with its word: blanks, empty lines, comments."""
_ENTRY = re.compile(
    rf"""(?P<before>.*?)(?P<head>(?<![\w.-])(?:{_NAME}|"{_NAME}"|'{_NAME}')\s*:(?=[\s"'&!|>*]|$)\s*)(?P<value>.*)""",
    re.IGNORECASE,
)
_WORDS = [
    re.compile(pattern + _WORD, re.IGNORECASE)
    for pattern in (
        rf"(?P<head>(?<![\w$.{{-]){_NAME}=)",
        r"(?P<head>\bbearer[ \t]+)",
        rf"""(?P<head>{_FLAG}["']?(?:[=:]|[ \t]+(?!\\?\s)|{_GAP}*,?{_GAP}*\n\s*(?:-[ \t]+)?|[ \t]*,\s*))""",
    )
]
_OPEN = re.compile(rf"""{_FLAG}["']?{_GAP}*,?{_GAP}*$|^\s*(?:#.*)?$""", re.IGNORECASE)
"""A line behind which the word for a flag may still come."""
"""Of a variable, a header and a flag (``core.text`` hides the same ones in logs) the word that follows."""
_USER = re.compile(r"(?P<head>://(?:[^/\s:@\"']*:)?)(?P<value>[^/\s\"']+)(?=@)")
_MADE = re.compile(r"\b(?:(?:sk|hf|gh[opsu]|github_pat|glpat|gsk|nvapi|r8|xox[abp])[-_]|AIza)[\w-]{16,}")
"""Keys of well-known makers tell themselves by how they begin."""
_STYLE = re.compile(r"[|>][-+0-9]*(?:\s+#.*)?")
"""How a block of text begins."""
_JUST_FLAG = re.compile(_FLAG, re.IGNORECASE)
_KEPT = re.compile(rf"""["']?{_FILLED}["']?""")
_INNER = re.compile(r"\s*(?:-\s|[{\[#]|[\w.\"'-][^:]*:(?:\s|$))")
"""The first line of a mapping or a list."""


def secrets(catalog: Catalog, settings: Settings) -> set[str]:
    """Those that are in force, however the config spells or names them."""
    keys = [settings.admin_key or "", *(client.key for client in settings.clients or ())]
    launches = [spec.launch for spec in catalog.models.values()]
    keys += [launch.key.rpartition(" ")[2] for launch in launches]
    keys += [value for launch in launches for name, value in launch.env if _SECRET.fullmatch(name)]
    return {key for key in keys if key}


def shown(paths: Iterable[Path], secrets: Collection[str] = ()) -> list[dict[str, Any]]:
    """``path`` and ``text`` of each file. One that cannot be read, or is one too many, has ``error``. Blocks."""
    found, room = [], MOST_BYTES
    for path in paths:
        entry: dict[str, Any] = {"path": str(path), "text": ""}
        try:
            if not path.is_file():  # a pipe would keep us waiting
                raise FileNotFoundError(0, "there is no such file")
            with path.open("rb") as file:
                data = file.read(room + 1)
            if len(data) > room:
                entry["error"] = f"is not shown: all in all that would be more than {MOST_BYTES >> 20} MiB"
            else:
                room -= len(data)
                entry["text"] = redacted(data.decode("utf-8-sig", "replace"), secrets)
        except OSError as error:
            entry["error"] = f"cannot be read: {error.strerror or error}"
        found.append(entry)
    return found


def redacted(text: str, secrets: Collection[str] = ()) -> str:
    """The text with ``HIDDEN`` in the place of each secret."""
    for word in sorted((word for word in secrets if len(word) >= SHORTEST), key=len, reverse=True):
        text = text.replace(word, HIDDEN)
    text = _without_values(text)
    return "\n".join(map(_without_words, _chunks(map(_Lines().take, text.split("\n")))))


def _without_values(text: str) -> str:
    """Without those that the text has as YAML."""
    pieces, at = [], 0
    for start, end in secret_values(text, _is_named, _is_flag):
        if start >= at:
            pieces += [text[at:start], "\n".join(map(_hidden_line, text[start:end].split("\n")))]
            at = end
    return "".join([*pieces, text[at:]])


def _hidden_line(line: str) -> str:
    """A line of a value, but for how it begins and ends. What looks like a comment there is none."""
    bare = line.strip()
    if not bare or _STYLE.fullmatch(bare) or _KEPT.fullmatch(bare):
        return line
    return line[: len(line) - len(line.lstrip())] + HIDDEN + line[len(line.rstrip()) :]


def _chunks(lines: Iterable[str]) -> Iterator[str]:
    """Several lines each, that belong together."""
    chunk: list[str] = []
    size = 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size > CHUNK and not _OPEN.search(line):
            yield "\n".join(chunk)
            chunk, size = [], 0
    if chunk:
        yield "\n".join(chunk)


def _without_words(text: str) -> str:
    """Without those that stand in commands and addresses, or tell themselves."""
    for pattern in (*_WORDS, _USER):
        text = pattern.sub(lambda found: found["head"] + _hidden(found["value"]), text)
    return _MADE.sub(HIDDEN, text)


def _is_named(name: str) -> bool:
    return _SECRET.fullmatch(name) is not None


def _is_flag(word: str) -> bool:
    return _JUST_FLAG.fullmatch(word) is not None


class _Lines:
    """Takes one line after the other, and hides the values of keys that are named like secrets."""

    def __init__(self) -> None:
        self._below: int | None = None
        """A value may go on in lines that are indented by more than this."""
        self._sure = True
        """It does, if there are such lines; else a mapping may stand there."""
        self._commented = False
        """They are comments, as the line with the key is."""

    def take(self, line: str) -> str:
        """The line as it may be shown."""
        commented = line.lstrip().startswith("#")
        bare = line.lstrip(" #" if commented else None)
        if len(line) > LONGEST:
            return f"{HIDDEN}: a line of {len(line)} characters"
        if self._below is not None and bare:
            indent = len(line) - len(bare)
            within = indent > self._below and commented is self._commented
            if within and (self._sure or not _INNER.match(bare)):
                self._sure = True
                return line[:indent] + HIDDEN
            self._below = None
        found = _ENTRY.match(line)
        if found is None:
            return line
        before, head, value = found.groups()
        if "{" in before.replace("${", "") and not before.lstrip().startswith("#"):
            return before + head + _in_braces(value)
        if value.startswith(("{", "[")):
            return line
        if not before.strip(" -#"):
            self._below, self._sure, self._commented = len(before), bool(value.strip()), commented
        return before + head + _hidden(value)


def _in_braces(value: str) -> str:
    """The rest of a line within a mapping in braces, whose value ends with a comma. Others may stand behind it."""
    found = re.match(rf"""(?:{_FILLED}|{_QUOTED}|[^,}}\]"'{{\[])*""", value)
    end = found.end() if found is not None else 0
    rest = _ENTRY.match(value[end:])
    if rest is None:
        return _hidden(value[:end]) + value[end:]
    return _hidden(value[:end]) + rest["before"] + rest["head"] + _in_braces(rest["value"])


def _hidden(value: str) -> str:
    """A value that is not to be seen; a reference to one, and nothing, are no secrets."""
    bare = re.sub(r"(^|\s)#.*", "", value).strip()
    return value if not bare or _KEPT.fullmatch(bare) else HIDDEN + value[len(value.rstrip()) :]
