"""Which flags a llama-server knows, by its own ``--help``, and which words of a command line it would refuse.

Builds differ: flags come, go and change their names. The form of the text was read from build b10434 and from our
own ``swapd-llama-server``: a flag's names at the beginning of a line, then, after one space, what follows it. In
builds of 2023 each line begins with two spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from swapd.engines import devices
from swapd.engines.llama_argv import spelled

Known = Mapping[str, int]
"""Flag -> the number of words that follow it."""
_NAMES = re.compile(r"((?:--?[A-Za-z][\w.-]*,?\s+)*--?[A-Za-z][\w.-]*)((?: (?! )\S+)*)(?:\s{2}|$)")
_COLUMN = 44
"""Where descriptions begin at the latest, in lines that have one."""
_INDENT = 4
"""Spaces that may stand before a flag; descriptions stand far to the right."""
_SPACED = re.compile(r"<[^>]*>")
"""One word that follows a flag, though its name has spaces: ``<tensor name pattern>=<buffer type>,...``."""
_TWICE = re.compile(r" [A-Z]\w*, (?=-)")
"""Old builds name the value behind each name of a flag."""
_NUMBER = re.compile(r"-\.?\d")
_SERVER = re.compile(r"(^|[-_])llama-server")


def is_llama_server(program: str) -> bool:
    """Whether a program is one, by its name."""
    return _SERVER.search(Path(program).name) is not None


def known(program: str, environ: Mapping[str, str]) -> Known:
    """What the program says. Empty if it does not say it as expected. Blocks; raises OSError, within seconds."""
    return read(devices.output([program, "--help"], environ))


def read(text: str) -> Known:
    """The flags that a help text tells of."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        flag = line.lstrip(" ")
        if len(line) - len(flag) > _INDENT or not flag.startswith("-"):
            continue
        flag = _TWICE.sub(", ", flag)
        cut = flag if _SPACED.search(flag) else flag[:_COLUMN]
        if (match := _NAMES.match(_SPACED.sub("X", cut) + "  ")) is None:
            continue
        names, values = match.groups()
        found |= dict.fromkeys((spelled(name.rstrip(",")) for name in names.split()), len(values.split()))
    return found


def complaints(argv: Sequence[str], flags: Known) -> list[str]:
    """A sentence for each word behind the program's name that it would not know."""
    found, words = [], list(argv[1:])
    while words:
        word = words.pop(0)
        name = spelled(word)
        if name in flags:
            following, words = words[: flags[name]], words[flags[name] :]
            found += _unfit(name, following, flags)
        elif not word.startswith("-") or _NUMBER.match(word):
            found.append(f"'{word}' belongs to no flag")
        else:
            found.append(_unknown(name, flags))
            if words and (not words[0].startswith("-") or _NUMBER.match(words[0])):
                del words[0]  # most likely its value
    return found


def _unfit(name: str, values: Sequence[str], flags: Known) -> list[str]:
    """What is wrong with the words that a flag takes for its own."""
    if len(values) < flags[name]:
        return [f"'{name}' wants a value behind it"]
    return [f"'{name}' takes '{value}' for its value: give it one" for value in values if spelled(value) in flags]


def _unknown(name: str, flags: Known) -> str:
    head, equals, value = name.partition("=")
    if equals and head in flags:
        return f"'{head}' takes its value as the next word: '{head} {value}'"
    near = get_close_matches(name, flags, n=1, cutoff=0.7)
    return f"it does not know '{name}'" + (f" (did you mean '{near[0]}'?)" if near else "")
