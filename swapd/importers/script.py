"""A shell script, or a pasted line, as the commands in it. Nothing is run: what only a run could tell stays open.

Read are comments, assignments, arrays, redirections, functions, and what separates commands (POSIX, "Shell Command
Language"); what a word stands for is in ``words``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

from swapd.importers import windows
from swapd.importers.functions import MOST_CALLS, Function, defined
from swapd.importers.kinds import LLAMA_SERVER
from swapd.importers.sheet import CannotImport, held
from swapd.importers.shell import ASSIGN, Command, Shell, take
from swapd.importers.words import BLANK, ENDS, MOST_LEVELS, Words

MOST_COMMANDS, MOST_TOLD = 2000, 20
_BLANK_END = re.compile(r"\\[ \t]+$", re.MULTILINE)


class Reader(Words):
    """Takes the commands of a script, one after the other."""

    def __init__(self, text: str, shell: Shell, level: int = 0, line: int = 0) -> None:
        super().__init__(text.replace("\r\n", "\n"), shell, level)
        self.line = line
        """Lines before the text."""
        self.begun = -1
        self.closed = True
        self.words: list[str] = []
        self.raw: list[str] = []
        self.folders: list[str] = []

    def read(self) -> Shell:
        """Take all commands."""
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter in BLANK:
                self.at += 1
            elif letter == "#":
                self._skip_line()
            elif self._definition():
                continue
            elif letter in "<>":
                self._redirection()
            elif letter in ENDS:
                self.at += 1
                self._end()
                self._subshell(letter)
            else:
                self.begun = self.at if self.begun < 0 else self.begun
                self._word()
        self._end()
        return self.shell

    def _definition(self) -> bool:
        """Whether a function stood here, which is known now. After one without an end none is looked for."""
        found = defined(self.text, self.at) if self.closed and not self.words else None
        if found is None or not found[2]:
            self.closed = found is None and self.closed
            return False
        self.shell.functions[found[0]] = Function(found[1], self._line(self.text.find("{", self.at)))
        self.at = found[2]
        return True

    def _line(self, at: int) -> int:
        return self.line + self.text.count("\n", 0, at)

    def _subshell(self, letter: str) -> None:
        """Where one ends, the script is in the folder where it was before."""
        if letter == "(":
            self.folders.append(self.shell.cwd)
        elif letter == ")" and self.folders:
            self.shell.cwd = self.folders.pop()

    def _skip_line(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _redirection(self) -> None:
        """``> file``, ``2>&1``: the file's word goes too. What follows ``<<`` is no command."""
        if self.raw and self.raw[-1].isdecimal() and self.text[self.at - 1] not in BLANK:
            self.raw.pop()
            self.words.pop()
        heredoc = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?").match(self.text, self.at)
        if heredoc is not None:
            end = re.compile(rf"^[ \t]*{heredoc[1]}[ \t]*$", re.MULTILINE).search(self.text, heredoc.end())
            begun, self.at = self.at, len(self.text) if end is None else end.end()
            if LLAMA_SERVER in self.text[begun : self.at] and len(self.shell.gaps.told) < MOST_TOLD:
                line = f"Line {self._line(begun) + 1}: what follows {heredoc[0]} names a server and is not read"
                self.shell.gaps.told.append(f"{line}: save it as a file of its own, and import that.")
            return
        self.at = self._past(self.at, "<>&|" + BLANK)
        count = len(self.words)
        if self.at < len(self.text) and self.text[self.at] not in ENDS:
            self._word()
        del self.words[count:], self.raw[count:]

    def _past(self, at: int, letters: str) -> int:
        while at < len(self.text) and self.text[at] in letters:
            at += 1
        return at

    def _word(self) -> None:
        """One word as written, and what it stands for."""
        start = self.at
        assigned = ASSIGN.match(self.text, self.at)
        if assigned is not None and self.text[assigned.end() : assigned.end() + 1] == "(":
            self._array(assigned[1], assigned[2], assigned.end() + 1)
            return
        found = self.word(split=assigned is None)
        self.words += found
        self.raw += [self.text[start : self.at]] * len(found)

    def _array(self, name: str, how: str, start: int) -> None:
        self.at = start
        outer, self.words = self.words, []
        while self.at < len(self.text) and self.text[self.at] != ")":
            if self.text[self.at] in BLANK + "\n":
                self.at += 1
            elif self.text[self.at] == "#":
                self._skip_line()
            elif self.text[self.at] in ENDS + "<>":
                self.at += 1
            else:
                self._word()
        self.at += 1
        found, self.words, self.raw = self.words, outer, self.raw[: len(outer)]
        self.shell.values[name] = [*(self.shell.values.get(name, []) if how == "+=" else []), *found]

    def _end(self) -> None:
        """A command is complete: it is taken, or the function that it calls is read with its arguments."""
        words, self.words, self.raw = self.words, [], []
        begun, self.begun = self.begun, -1
        more, self.more = self.more, False
        command = take(words, self.shell)
        if command is None:
            return
        if command.words[0] in self.shell.functions:
            self._call(self.shell.functions[command.words[0]], command, all_known=not more)
            return
        command.line = self._line(begun) + 1
        self.shell.commands.append(command)
        if len(self.shell.commands) > MOST_COMMANDS:
            raise CannotImport(f"it has more than {MOST_COMMANDS} commands: paste those that start a server")

    def _call(self, function: Function, command: Command, *, all_known: bool) -> None:
        function.calls += 1
        if self.level >= MOST_LEVELS or function.calls > MOST_CALLS:
            raise CannotImport(
                "its functions call each other without end: paste the command that starts the server"
            )
        self._grow(len(function.body))
        first = len(self.shell.commands)
        before = self.shell.arguments(command.words[1:], all_known=all_known)
        inner = Reader(function.body, self.shell, self.level + 1, function.line)
        inner.read()
        self._grow(inner.grown)
        self.shell.arguments(None)
        self.shell.values |= before
        for each in self.shell.commands[first:]:
            each.env = command.env | each.env


def commands(text: str, folder: str = "", values: Mapping[str, list[str]] | None = None) -> Shell:
    """All that a script in ``folder`` runs, and what functions would that it never calls. Raises CannotImport."""
    shell = Shell(dict(values or {}), folder=folder)
    if windows.is_windows(text):
        text = windows.posix(text)
        shell.gaps.told.append(
            "It was written for Windows: swapd serves on Linux, so paths and programs are others."
        )
    blank = [str(text.count("\n", 0, each.start()) + 1) for each in islice(_BLANK_END.finditer(text), 20)]
    if blank:
        shell.gaps.told.append(
            f"Line {held(blank)}: blanks behind a backslash end a command; read as if none were."
        )
    Reader(_BLANK_END.sub(r"\\", text), shell).read()
    _uncalled(shell)
    return shell


def _uncalled(shell: Shell) -> None:
    """A function's helpers stand before it: those that it calls are not read by themselves."""
    first = len(shell.commands)
    for level in range(1, MOST_LEVELS):
        waiting = [function for function in reversed(shell.functions.values()) if not function.calls]
        for function in waiting:
            if not function.calls:
                function.calls = 1
                Reader(function.body, shell, level, function.line).read()
    shell.commands[first:] = sorted(shell.commands[first:], key=lambda command: command.line)
