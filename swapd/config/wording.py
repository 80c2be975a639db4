"""Values as YAML: short ones on one line, long ones an entry a line, quotes only where they are needed.

What a plain word would be read as something else by YAML 1.1, 1.2 or swapd is quoted; what cannot be seen is
spelt out, within quotes.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from swapd.config.units import natural
from swapd.core.draft import ModelDraft
from swapd.core.text import one_line

WIDTH = 96
"""Characters of a line beyond which a list or a mapping is written an entry a line, and a comment is wrapped."""
MOST_NOTE = 44
"""Characters of a line up to which the comments behind a model's keys stand below each other."""
_ENDLESS = 1 << 30
_SURROGATES = re.compile("[\ud800-\udfff]")


class _Writer(yaml.SafeDumper):
    """Decides on quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whoever says a value twice is to see it twice."""
        return True

    def choose_scalar_style(self) -> str:
        """One kind of quotes is enough."""
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style


def _text(writer: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    text = _SURROGATES.sub("\ufffd", text)  # YAML has no way to say half a character
    style = None
    if not text.isprintable():
        style = "|" if _stands_as_lines(text) else '"'
    elif not isinstance(natural(text), str):
        style = '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _text)


def _stands_as_lines(text: str) -> bool:
    lines = text.removesuffix("\n").split("\n")
    return len(lines) > 1 and all(line.isprintable() and line.strip() == line and line for line in lines)


def plain(value: Any) -> Any:
    """A value of dicts and lists alone, as reading it again would give."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def flow(value: Any) -> str:
    """A value on one line, as it may stand within brackets too."""
    return _dumped([plain(value)], True)[1:-2]


def scalar(value: Any) -> str:
    """A single value behind its key; text of several lines keeps them."""
    return _dumped(value, False).removesuffix("\n").removesuffix("\n...")


def _dumped(value: Any, as_flow: bool) -> str:
    text: str = yaml.dump(
        value, Dumper=_Writer, default_flow_style=as_flow, width=_ENDLESS, allow_unicode=True, sort_keys=False
    )
    return text


def entry(key: str, value: Any, note: str = "", column: int = 0) -> str:
    """One key with its value, lines with their ends. ``column``: where the note begins, if it can."""
    head = f"{flow(key)}:"
    if not isinstance(value, Mapping | list | tuple):
        head, _, below = f"{head} {scalar(value)}".partition("\n")
        below = below and f"{below}\n"
    elif not value or (_is_small(value) and len(f"{head} {flow(value)}") <= WIDTH):
        head, below = f"{head} {flow(value)}", ""
    elif isinstance(value, Mapping):
        below = textwrap.indent("".join(entry(name, each) for name, each in value.items()), "  ")
    else:
        below = "".join(_item(each) for each in value)
    return (f"{head.ljust(column)}  # {one_line(note)}" if note else head) + f"\n{below}"


def _is_small(value: Any) -> bool:
    """Whether one reads it well on one line: no more than one level of mappings in it."""
    each = value.values() if isinstance(value, Mapping) else value
    return len(value) <= 6 and all(not isinstance(one, Mapping) or len(one) <= 2 for one in each)


def _item(value: Any) -> str:
    """An entry of a list that is long."""
    if isinstance(value, Mapping) and value and not _is_small(value):
        below = textwrap.indent("".join(entry(name, each) for name, each in value.items()), "    ")
        return f"  - {below[4:]}"
    return f"  - {flow(value)}\n"


def model(draft: ModelDraft, indent: int = 2) -> str:
    """An entry below ``models``, its remarks above it."""
    begins = {key: entry(key, value).partition("\n")[0] for key, value in draft.keys.items()}
    noted = [len(begins[key]) for key in draft.notes if key in begins and len(begins[key]) <= MOST_NOTE]
    column = max(noted, default=0)
    keys = "".join(entry(key, value, draft.notes.get(key, ""), column) for key, value in draft.keys.items())
    body = f"{flow(draft.name)}:\n{textwrap.indent(keys, '  ')}" if keys else f"{flow(draft.name)}: {{}}\n"
    return textwrap.indent(comment(draft.remarks) + body, " " * indent)


def comment(lines: Iterable[str]) -> str:
    """Lines of comment, long ones wrapped; whatever stands in them, they stay comments."""
    told = (part for line in lines for part in (line.splitlines() or [""]))
    wrapped = (piece for line in told for piece in (_wrapped(one_line(line)) or [""]))
    return "".join(f"# {line}".rstrip() + "\n" for line in wrapped)


def _wrapped(line: str) -> list[str]:
    return [line] if line.startswith(" ") or len(line) <= WIDTH else textwrap.wrap(line, WIDTH)
