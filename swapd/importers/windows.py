"""Command lines of Windows: their paths are kept as they are written, and told, as they lead nowhere here.

What cmd.exe and PowerShell write in another way is turned into what a shell reads: lines that go on (``^`` and a
backtick), ``set``, ``%X%``, ``$env:X``, ``rem``, ``start``.
"""

from __future__ import annotations

import re

_DRIVE = re.compile(r"(?:^|[\s\"'=])[A-Za-z]:\\+[\w.$%{(]", re.MULTILINE)
_PROGRAM = re.compile(r"(?:^|[\s\"'])\.{1,2}\\[\w.\\-]+|\w\.exe[\"']?(?=\s|$)", re.MULTILINE)
_GOES_ON = re.compile(r"(?<![ \t])[ \t]*[\^`][ \t]*\n")
_LINES = (
    (re.compile(r"^([ \t]*)@", re.MULTILINE), r"\1"),
    (re.compile(r"^[ \t]*(?:rem\b|::)", re.MULTILINE | re.IGNORECASE), "#"),
    (
        re.compile(r"^[ \t]*set[ \t]+\"?([A-Za-z_]\w*)=([^\"\n]*+)\"?[ \t]*$", re.MULTILINE | re.I),
        r'export \1="\2"',
    ),
    (
        re.compile(r"^[ \t]*\$env:(\w+)[ \t]*=[ \t]*[\"']?([^\"'\n]*+)[\"']?[ \t]*$", re.M | re.I),
        r'export \1="\2"',
    ),
    (re.compile(r"^([ \t]*cd)[ \t]+/d\b", re.MULTILINE | re.IGNORECASE), r"\1"),
    (re.compile(r"^[ \t]*start(?:[ \t]+\"[^\"\n]*\")?(?:[ \t]+/\w+)*[ \t]+", re.MULTILINE | re.IGNORECASE), ""),
    (re.compile(r"%~dp0\\?", re.IGNORECASE), "$PWD/"),
    (re.compile(r"%([A-Za-z_]\w*)%|\$env:([A-Za-z_]\w*)", re.IGNORECASE), r"${\1\2}"),
)
"""What stands in a batch file or is typed into PowerShell, and what a shell would have there."""
_BACKSLASH = re.compile(r"('[^'\n]*')|\\(?![\"\n])")
_PATH = re.compile(
    r"(?:^|(?<=[\s\"'=,]))"
    r"((?:[A-Za-z]:\\|[A-Z]:/|\\\\\w)[^:*?\"<>|,\n]*"
    r"|\.{1,2}\\[^:*?\"<>|,\n]+|(?:\$\{[\w.]+\}\\|[\w.-]+\\)+[\w. -]+\.\w+$)"
)


def is_windows(text: str) -> bool:
    """Whether a command line or a script was written for Windows."""
    if text.startswith("#!"):
        return False
    return _DRIVE.search(text) is not None or _PROGRAM.search(text) is not None


def posix(text: str) -> str:
    """The same as a shell reads it, on as many lines; backslashes stay what they are."""
    text = _GOES_ON.sub(" \\\n", text.replace("\r\n", "\n"))
    text = _BACKSLASH.sub(lambda found: found[1] or "\\\\", text)
    for pattern, here in _LINES:
        text = pattern.sub(here, text)
    return text


def paths(word: str) -> list[str]:
    """The paths of Windows in a word."""
    return [found.rstrip() for found in _PATH.findall(word)]


def name(path: str) -> str:
    """The last part of a path of either kind."""
    return re.split(r"[\\/]", path)[-1] if paths(path) else path.rpartition("/")[2]


def program(word: str) -> str:
    """What a program of Windows is called here; the word itself where it is none."""
    last = name(word)
    return last[:-4] if last.lower().endswith(".exe") else last if paths(word) else word
