"""What a shell script has set so far, and the commands that it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from swapd.importers import windows
from swapd.importers.functions import Function
from swapd.importers.quoting import literal

ASSIGN = re.compile(r"([A-Za-z_]\w*)(\+?=)")


@dataclass(slots=True)
class Command:
    """A command with the assignments before it. ``line``: where it begins, from 1; 0 where that tells nothing."""

    words: list[str]
    env: dict[str, str]
    cwd: str = ""
    line: int = 0


@dataclass(slots=True)
class Gaps:
    """What reading alone does not tell. ``unknown``: variables that it never set. ``open``: pieces of words that
    only a run could tell. ``told``: what else is to be known of it.
    """

    unknown: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Shell:
    """What a script has set so far, and the commands that it runs.

    Among ``values`` are a function's arguments while it is read: ``1`` to ``9``, and ``@`` where all are known.
    """

    values: dict[str, list[str]] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)
    functions: dict[str, Function] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    gaps: Gaps = field(default_factory=Gaps)
    cwd: str = ""
    folder: str = ""
    """Where the script itself lies."""

    def value(self, name: str) -> list[str]:
        """The words of a variable; of one that is not set a reference to the environment."""
        if name in self.values:
            return self.values[name]
        if name.isdecimal():
            return [] if "@" in self.values and name != "0" else [self.unsolved(f"${name}")]
        if name == "PWD" and (self.cwd or self.folder):
            return [self.cwd or literal(self.folder)]
        self.gaps.unknown.add(name)
        return [f"${{env.{name}}}"]

    def unsolved(self, text: str) -> str:
        """A piece of a word that only a run could tell, as it is written."""
        told = literal(text)
        self.gaps.open.add(told)
        return told

    def arguments(self, given: list[str] | None, *, all_known: bool = True) -> dict[str, list[str]]:
        """Set what ``$1``, ``$2`` and ``$@`` stand for; what they stood for before."""
        before = {name: self.values.pop(name) for name in ("@", *"123456789") if name in self.values}
        for n, word in enumerate((given or [])[:9], 1):
            self.values[str(n)] = [word]
        if given is not None and all_known:
            self.values["@"] = given
        return before


_PROMPT = re.compile(r"\$|[\w.-]+@[\w.-]+:\S*[$#]")
"""What a terminal shows before a command, and a paste brings along."""
_KEYWORDS = {"then", "do", "else", "elif", "if", "while", "until", "{", "}", "!", "fi", "done"}


def take(words: list[str], shell: Shell) -> Command | None:
    """The command that the words are; None where they only change what the shell knows."""
    while words and (words[0] in _KEYWORDS or _PROMPT.fullmatch(words[0])):
        words = words[1:]
    env: dict[str, str] = {}
    while words and (assigned := ASSIGN.match(words[0])) is not None:
        env[assigned[1]] = words[0][assigned.end() :]
        words = words[1:]
    if not words:
        shell.values |= {name: [value] for name, value in env.items()}
    if not words or _changes(words, shell):
        return None
    own = {name: " ".join(shell.values[name]) for name in sorted(shell.exported) if name in shell.values}
    return Command(words, own | env, shell.cwd)


def _changes(words: list[str], shell: Shell) -> bool:
    """Whether it is a command of the shell's own, which then has been heeded."""
    match words:
        case ["export" | "declare" | "readonly" | "local" | "typeset", *names]:
            _declared(words[0], names, shell)
        case ["source" | ".", *named]:
            what = " ".join(named)
            shell.gaps.told.append(
                f"{what} is not read: what it sets, and programs of its PATH, are to be written in."
            )
        case ["cd", folder] if windows.paths(folder):
            shell.gaps.told.append(f"cd {folder}: a path of Windows, from which its relative paths lead.")
        case ["cd", folder]:
            above = shell.cwd or literal(shell.folder)
            shell.cwd = folder if folder.startswith(("/", "${")) or not above else f"{above}/{folder}"
        case ["for", name, "in", *_]:
            shell.values[name] = [shell.unsolved(f"${name}")]
        case ["shift", *count]:
            if (known := shell.values.get("@")) is not None:
                by = count[0] if count else "1"
                shell.arguments(known[int(by) if by.isdecimal() else 1 :])
        case _:
            return False
    return True


def _declared(how: str, names: list[str], shell: Shell) -> None:
    for each in names:
        name, assigned, value = each.partition("=")
        if assigned:
            shell.values[name] = [value]
        if how == "export":
            shell.exported.add(name)
