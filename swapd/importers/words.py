"""One word of a shell script, and what it stands for: quotes, escapes, variables, what another command says.

As POSIX has them ("Shell Command Language", "Word Expansions"); arrays as in bash.
"""

from __future__ import annotations

import re

from swapd.importers.expansion import Braced, Word, braced, closed, substituted, trimmed
from swapd.importers.quoting import literal
from swapd.importers.sheet import MOST_TEXT, CannotImport
from swapd.importers.shell import Shell

ENDS = ";\n|&()"
"""What separates commands."""
BLANK = " \t\r"
_NAME = re.compile(r"[A-Za-z_]\w*|[0-9]")
_OURS = re.compile(r"\$\{env\.\w+\}|\$\$\{[^{}]*\}")
"""A reference that stands already: in the text that an outer script hands to an inner shell."""
_ARGUMENTS = re.compile(r"\$\{[@*](?::([1-9]))?.*\}")
MOST_LEVELS = 20
"""How deep defaults may lie in each other."""


class Words:
    """Walks through a script once, word by word."""

    def __init__(self, text: str, shell: Shell, level: int = 0) -> None:
        self.text = text
        self.at = 0
        self.shell = shell
        self.grown = 0
        self.level = level
        self.more = False
        """Whether the caller may have added words, which are not known."""

    def operand(self) -> str:
        """The whole text as one word."""
        word = Word()
        while self.at < len(self.text):
            self._piece(word, split=False)
        return word.text

    def word(self, *, split: bool) -> list[str]:
        """The word that stands here: none, one, or several."""
        word = Word()
        while self.at < len(self.text) and self.text[self.at] not in BLANK + ENDS + "<>":
            self._piece(word, split=split)
        word.cut()
        self._grow(sum(map(len, word.done)))
        return word.done

    def _grow(self, size: int) -> None:
        """Raises CannotImport where variables double each other."""
        self.grown += size
        if self.grown > 16 * MOST_TEXT:
            raise CannotImport("its variables or functions grow beyond all bounds: do they double each other?")

    def _piece(self, word: Word, *, split: bool) -> None:
        letter = self.text[self.at]
        if letter == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise CannotImport("a quote (') is never closed")
            word.add(literal(self.text[self.at + 1 : end]))
            self.at = end + 1
        elif letter == '"':
            self._quoted(word)
        elif letter == "\\":
            self._escaped(word)
        elif letter in "$`":
            self._expansion(word, split=split)
        elif letter == "~" and not word.open and self.text[self.at + 1 : self.at + 2] in ("", "/", *BLANK, "\n"):
            word.add("${env.HOME}")
            self.at += 1
        else:
            word.add(letter)
            self.at += 1

    def _quoted(self, word: Word) -> None:
        self.at += 1
        word.add("")
        while self.text[self.at : self.at + 1] != '"':
            letter = self.text[self.at : self.at + 1]
            if not letter:
                raise CannotImport('a quote (") is never closed')
            if letter == "\\" and self.text[self.at + 1 : self.at + 2] in tuple('$`"\\\n'):
                self._escaped(word)
            elif letter in "$`":
                self._expansion(word, split=False)
            else:
                word.add(letter)
                self.at += 1
        self.at += 1

    def _expansion(self, word: Word, *, split: bool) -> None:
        """What stands behind ``$``."""
        if self.text[self.at] == "`" or self.text.startswith("$(", self.at):
            self._substitution(word)
            return
        ours = _OURS.match(self.text, self.at)
        name = _NAME.match(self.text, self.at + 1)
        found = braced(self.text, self.at) if name is None and ours is None else None
        if ours is not None:
            values, self.at = [ours[0]], ours.end()
        elif name is not None:
            values, self.at = self.shell.value(name[0]), name.end()
        elif found is not None:
            values, self.at = self._value(found), found.end
        else:
            self._special(word, split=split)
            return
        if found is not None and found.is_array:
            self._spread(word, values)
        elif split:
            self._spread(word, [part for value in values for part in value.split()])
        else:
            word.add(" ".join(values))
        self._grow(len(word.text))

    def _value(self, found: Braced) -> list[str]:
        """What a braced variable comes to."""
        name, how = found.name, found.how
        known = name in self.shell.values
        if how[-1:] in ("-", "=", "+"):
            if known == (how[-1] == "+"):
                return [self._operand(found)]
            return [] if how[-1] == "+" else self.shell.value(name)
        values = self.shell.value(name)
        if (name, how, found.operand) in (("0", "%", "/*"), ("BASH_SOURCE", "%", "/*")):
            return [literal(self.shell.folder)]
        if how[:1] in ("#", "%"):
            if not known or any("${" in value for value in values):
                return [self.shell.unsolved(f"${{{name}{how}{found.operand}}}")]
            return [trimmed(value, how, self._operand(found)) for value in values]
        return values

    def _operand(self, found: Braced) -> str:
        if self.level >= MOST_LEVELS:
            raise CannotImport("its defaults lie too deep in each other")
        inner = Words(found.operand, self.shell, self.level + 1)
        text = inner.operand()
        self._grow(inner.grown)
        return text

    def _special(self, word: Word, *, split: bool) -> None:
        """``$@`` stands for what a function is called with, or a script; others only a run could tell."""
        end = self.at + 2
        if not split and self.text[self.at + 1 : end] == "*" and "@" in self.shell.values:
            word.add(" ".join(self.shell.values["@"]))
        elif self.text[self.at + 1 : end] in ("@", "*"):
            self._arguments(word, 1)
        elif self.text.startswith("${", self.at):
            end = closed(self.text, self.at + 1)
            inside = self.text[self.at : end]
            if (match := _ARGUMENTS.fullmatch(inside)) is not None:
                self._arguments(word, int(match[1] or 1))
            else:
                word.add(self.shell.unsolved(inside))
        else:
            word.add("$")
            end = self.at + 1
        self.at = end

    def _arguments(self, word: Word, first: int) -> None:
        known = self.shell.values.get("@", [])
        self.more = self.more or "@" not in self.shell.values
        self._spread(word, known[first - 1 :])
        word.open = bool(word.text)

    def _escaped(self, word: Word) -> None:
        """The letter behind a backslash; what would look like a reference of ours is written as none.

        A line goes on where that is its end.
        """
        if self.text.startswith("\n", self.at + 1):
            self.at += 2
            return
        word.add("$$" if self.text.startswith("${", self.at + 1) else self.text[self.at + 1 : self.at + 2])
        self.at += 2

    def _substitution(self, word: Word) -> None:
        """What another command says cannot be known, and stays as written; but a script knows its own folder."""
        end = substituted(self.text, self.at)
        inside = self.text[self.at : end]
        own = "dirname" in inside or inside in ("$(pwd)", "`pwd`")
        word.add(literal(self.shell.folder) if own else self.shell.unsolved(inside))
        self.at = end

    def _spread(self, word: Word, values: list[str]) -> None:
        for n, value in enumerate(values):
            if n:
                word.cut()
            word.add(value)
        if not values and not word.text:
            word.open = False
