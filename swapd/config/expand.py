"""``${env.NAME}`` and ``${macro}`` become text, everywhere in a tree's values; ``$${x}`` becomes ``${x}``.

What only a model, or only the engine room, can know (``${model}``, ``${port}``, ...) is left as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from swapd.config.problems import Problems, did_you_mean
from swapd.config.tree import Map, Node, Scalar, Seq
from swapd.core.spec import PLACEHOLDERS

LATER = frozenset(name.strip("${}") for name in PLACEHOLDERS) | {"model"}
"""The names that are filled in later: ``model`` by ``build``, the rest by the engine room."""

MOST_CHARACTERS = 1 << 16
_REFERENCE = re.compile(r"\$(\$?)\{([^{}\n]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Expander:
    """Knows the environment and the macros. Every scalar is expanded once, however many aliases lead to it."""

    def __init__(self, macros: Node | None, environ: Mapping[str, str], problems: Problems) -> None:
        self._environ = environ
        self._problems = problems
        self._macros: dict[str, Scalar] = {}
        self._busy: list[str] = []
        self._done: set[int] = set()
        self._keep: list[Scalar] = []
        if isinstance(macros, Map):
            self._define(macros)

    def _define(self, macros: Map) -> None:
        for name, entry in macros.entries.items():
            if name in LATER:
                self._problems.add(
                    entry.key.place, f"macros.{name}", f"'{name}' is swapd's own: name it otherwise"
                )
            elif not _NAME.fullmatch(name):
                message = f"'{name}' cannot be a macro's name: use letters, digits, '_' and '-'"
                self._problems.add(entry.key.place, f"macros.{name}", message)
            elif isinstance(entry.value, Scalar):
                self._macros[name] = entry.value
        for name, scalar in self._macros.items():
            self._macro(name, scalar, f"macros.{name}")

    def expand(self, node: Node, key: str = "", skip: Collection[str] = ()) -> None:
        """Expand all values below ``node`` in place, from what was written; ``key`` is its own path.

        Its own keys in ``skip`` are left as they are.
        """
        match node:
            case Scalar():
                self._scalar(node, key)
            case Seq():
                for n, item in enumerate(node.items):
                    self.expand(item, f"{key}[{n}]")
            case Map():
                for name, entry in node.entries.items():
                    value = entry.value
                    if name in skip:
                        continue
                    if not isinstance(value, Scalar) or "${" in value.text or value.written:
                        self.expand(value, f"{key}.{name}" if key else name)

    def _scalar(self, scalar: Scalar, key: str) -> None:
        if not (scalar.written or "${" in scalar.text) or id(scalar) in self._done:
            return
        self._done.add(id(scalar))
        self._keep.append(scalar)  # an id is only unique while its object lives
        if scalar.written:
            scalar.text, scalar.broken = scalar.written, False
        scalar.written = scalar.text
        text = _REFERENCE.sub(lambda match: self._reference(match, scalar, key), scalar.text)
        if len(text) > MOST_CHARACTERS:
            self._complain(scalar, key, f"grows beyond {MOST_CHARACTERS} characters: do macros double each other?")
        if not scalar.broken:
            scalar.text = text

    def _complain(self, scalar: Scalar, key: str, message: str) -> None:
        scalar.broken = True
        self._problems.add(scalar.place, key, message)

    def _reference(self, match: re.Match[str], scalar: Scalar, key: str) -> str:
        escaped, name, closed = match.groups()
        whole: str = match.group()
        if escaped and name in LATER:
            self._complain(scalar, key, f"'{whole}' cannot be escaped: swapd fills it in wherever it stands")
        elif not escaped and not closed:
            self._complain(
                scalar, key, f"'{whole}' is never closed: add '}}', or write '${whole}' for the text itself"
            )
        elif not escaped and name.startswith("env."):
            return self._variable(name[4:], scalar, key)
        elif not escaped and name not in LATER:
            return self._macro(name, scalar, key)
        return whole[1:] if escaped else whole

    def _variable(self, name: str, scalar: Scalar, key: str) -> str:
        if name in self._environ:
            return self._environ[name]
        close = did_you_mean(name, self._environ)
        self._complain(
            scalar, key, f"the environment variable '{name}' is not set{close}: set it where swapd is started"
        )
        return ""

    def _macro(self, name: str, scalar: Scalar, key: str) -> str:
        macro = self._macros.get(name)
        if macro is None:
            close = did_you_mean(name, [*self._macros, *LATER])
            hint = f"define it under 'macros', or write '$${{{name}}}' for the text itself"
            self._complain(scalar, key, f"there is no macro '{name}'{close}: {hint}")
            return ""
        if name in self._busy:
            circle = " -> ".join([*self._busy[self._busy.index(name) :], name])
            self._complain(macro, f"macros.{name}", f"the macro needs itself: {circle}")
            return ""
        self._busy.append(name)
        self._scalar(macro, f"macros.{name}")
        self._busy.pop()
        scalar.broken |= macro.broken  # told once, where the macro stands
        return macro.text
