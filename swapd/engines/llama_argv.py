"""From argv to settings, or every complaint about it at once; and the ``--help`` text of the same table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from swapd.engines.llama_flags import BY_NAME, FLAGS, Flag, Settings

HELP = ("-h", "--help", "--usage")
VERSION = ("--version",)
ALL_NAMES = (*BY_NAME, *HELP, *VERSION)


def spelled(word: str) -> str:
    """A flag's name as the table has it: in long flags ``_`` is ``-``."""
    return word.replace("_", "-") if word.startswith("--") else word


def parse(argv: Sequence[str]) -> tuple[Settings, list[str]]:
    """The settings that ``argv`` asks for, and a complaint for each word that is wrong.

    As in llama-server a value is the next word, whatever it looks like, and the last of equal flags wins.
    """
    settings: dict[str, object] = {}
    complaints: list[str] = []
    rest = iter(argv)
    after_unknown = False
    for word in rest:
        flag = BY_NAME.get(spelled(word))
        if flag is not None:
            settings |= _settings(flag, word, rest, complaints)
        elif word.startswith("-") or not after_unknown:  # the value of an unknown flag is no complaint of its own
            complaints.append(_unknown(word))
        after_unknown = flag is None and word.startswith("-")
    return settings, complaints


def _settings(flag: Flag, word: str, rest: Iterable[str], complaints: list[str]) -> Settings:
    value = next(iter(rest), None) if flag.metavar else ""
    if value is None:
        complaints.append(f"{word} needs a value: {flag.usage}")
        return {}
    try:
        return flag.settings(value)
    except ValueError as trouble:
        complaints.append(f"invalid value for {word}: {trouble}")
        return {}


def _unknown(word: str) -> str:
    name, equals, value = spelled(word).partition("=")
    if equals and name in BY_NAME:
        return f"invalid argument: {word} (did you mean '{name} {value}'?)"
    near = get_close_matches(name, ALL_NAMES, n=1, cutoff=0.7) if word.startswith("-") else []
    return f"invalid argument: {word}" + (f" (did you mean {near[0]}?)" if near else "")


def help_text() -> str:
    """One line a flag, in the table's order."""
    rows = [(flag.usage, flag.help) for flag in FLAGS]
    rows += [(", ".join(HELP), "print this and exit"), (", ".join(VERSION), "print the version and exit")]
    return _HEAD + "".join(f"{usage:<{_COLUMN}} {help}\n" for usage, help in rows)


_COLUMN = 44
_HEAD = """usage: swapd-llama-server -m FILE [flags]

llama.cpp's HTTP server out of the xllamacpp package. It takes these flags of llama-server, and no others;
the environment (LLAMA_ARG_...) is not read.

"""
