"""Variables of a compose file: ``$X``, ``${X:-default}``, and the ``.env`` beside it that gives them values.

As the Compose reference has them ("Interpolation", "Syntax for environment files"): the environment counts more
than ``.env``, and ``$$`` is a dollar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from swapd.importers.quoting import literal
from swapd.importers.sheet import MOST_TEXT, CannotImport, is_secret

_VARIABLE = re.compile(r"\$(?:\$\{?|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^{}$]*))?\})")
_KEPT = re.compile(r"\0\d+\0")
_ASSIGNED = re.compile(
    r"[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*"
    r"(?:[=:][ \t]*(?:'((?:\\'|[^'])*)'|\"((?:\\.|[^\"\\])*)\"|([^\n]*)))?([^\n]*)(?:\n|$)",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "$": "$$"}
MOST_LEVELS = 8

_Found = Callable[[str, str, str], str]
"""What stands for a variable: by its name, the operator behind it, and the operator's text."""


@dataclass(slots=True)
class Variables:
    """What may stand for a name, and what one service asked for.

    ``filed``: taken from ``.env``; ``inherited``: from the environment of this moment; ``unset``: from neither,
    with what ``${X:?text}`` says of that.
    """

    file: Mapping[str, str]
    environ: Mapping[str, str]
    grown: int = 0
    filed: set[str] = field(default_factory=set)
    inherited: set[str] = field(default_factory=set)
    unset: dict[str, str] = field(default_factory=dict)

    def begin(self) -> None:
        """Another service asks."""
        self.filed, self.inherited, self.unset = set(), set(), {}

    def value(self, name: str) -> str | None:
        """As a config's value; None where nobody says one. A secret of the environment stays there."""
        if name in self.environ:
            if is_secret(name) and self.environ[name]:
                self.unset[name] = ""
                return f"${{env.{name}}}"
            self.inherited.add(name)
            return literal(self.environ[name].encode("utf-8", "replace").decode())
        if name in self.file:
            self.filed.add(name)
            return literal(self.file[name])
        return None

    def found(self, name: str, how: str, operand: str) -> str:
        """What the variable comes to; a reference to swapd's environment where it has no value."""
        said = self._said(name, how, operand)
        self.grown = _bounded(self.grown + len(said))
        return said

    def _said(self, name: str, how: str, operand: str) -> str:
        value = self.value(name)
        given = bool(value) if how.startswith(":") else value is not None
        if how.endswith("+"):
            return literal(operand) if given else ""
        if given:
            return value or ""
        if how.endswith("-"):
            return literal(operand)
        self.unset[name] = _KEPT.sub("...", operand)
        return f"${{env.{name}}}"


def _bounded(size: int) -> int:
    """The size. Raises CannotImport."""
    if size > 16 * MOST_TEXT:
        raise CannotImport("its variables grow beyond all bounds: do they double each other?")
    return size


def expanded(value: Any, variables: Variables) -> Any:
    """Any data with the variables filled in."""
    match value:
        case dict():
            return {name: expanded(each, variables) for name, each in value.items()}
        case list():
            return [expanded(each, variables) for each in value]
        case str():
            return _filled(value, variables.found)
    return value


def _filled(value: str, found: _Found) -> str:
    """Inner defaults first: ``${A:-${B:-x}}`` takes a few rounds."""
    done: list[str] = []

    def variable(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            done.append("$" if match[0] == "$$" else "$${")
        else:
            done.append(found(match[1] or match[2], match[3] or "", match[4] or ""))
        return f"\0{len(done) - 1}\0"

    value = value.replace("\0", "")
    for _ in range(MOST_LEVELS):
        value, count = _VARIABLE.subn(variable, value)
        if not count:
            break
    while _KEPT.search(value):
        value = _KEPT.sub(lambda match: done[int(match[0][1:-1])], value)
    return value


def assigned(text: str, environ: Mapping[str, str]) -> tuple[dict[str, str], list[int]]:
    """The variables of a ``.env``, and the numbers of the lines that are no assignment. Raises CannotImport."""
    values: dict[str, str] = {}
    wrong: list[int] = []
    grown = 0

    def found(name: str, how: str, operand: str) -> str:
        nonlocal grown
        value = environ.get(name, values.get(name))
        given = bool(value) if how.startswith(":") else value is not None
        said = (value or "") if given else operand if how.endswith("-") else ""
        said = said if not how.endswith("+") else operand if given else ""
        grown = _bounded(grown + len(said))
        return said

    text = text.replace("\r\n", "\n")
    at, line_number = 0, 1
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end].strip()
        match = _ASSIGNED.match(text, at) if line and not line.startswith("#") else None
        if match is not None and not match[5].strip().partition("#")[0]:
            _assign(values, match, found, environ)
            end = max(match.end(), at + 1)
        elif line and not line.startswith("#"):
            wrong.append(line_number)
        line_number += text.count("\n", at, end)
        at = end
    return values, wrong


def _assign(values: dict[str, str], match: re.Match[str], found: _Found, environ: Mapping[str, str]) -> None:
    name, single, double, plain = match[1], match[2], match[3], match[4]
    if single is not None:
        values[name] = single.replace("\\'", "'")
    elif double is not None:
        values[name] = _filled(
            re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), double, flags=re.DOTALL), found
        )
    elif plain is not None:
        values[name] = _filled(re.sub(r"(^|\s)#.*", "", plain).strip(), found)
    elif name in environ:
        values[name] = environ[name]
