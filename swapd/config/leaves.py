"""The kinds of single values that the schema is made of, each with its reader and its JSON Schema."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Annotated

from swapd.config import manners, memory, standing, units
from swapd.config.expand import LATER
from swapd.config.shapes import FilePath, Leaf, Many, Table
from swapd.core.kinds import ABILITIES, KINDS
from swapd.core.need import NAME
from swapd.core.settings import Window
from swapd.core.spec import Restart
from swapd.core.urls import endpoint_of

ADDRESS = frozenset({"host", "port", "socket"})
COMMAND = ADDRESS | {"threads", "binary", "device"}
ARGUMENT = ADDRESS | {"threads"}

ALL_LAYERS = 999
"""Every build of llama-server takes this for "all"; the word itself is newer."""


def words(text: str) -> tuple[str, ...]:
    """A command line split as a shell would; a line that ends in a backslash goes on in the next."""
    try:
        parts = tuple(shlex.split(text.replace("\\\n", " ")))
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}; check the quotes") from None
    if not parts:
        raise ValueError("is empty: give it a command or remove the key")
    return parts


def web_path(text: str) -> str:
    """The path of a URL."""
    if not text.startswith("/"):
        raise ValueError(f"'{text}' is not a path: begin it with '/'")
    return text


def credential(text: str) -> str:
    """The name of a file in the folder that systemd makes for a unit's credentials."""
    if "/" in text or text in ("", ".", ".."):
        raise ValueError(f"'{text}' is not a credential's name: give the part before ':' in 'LoadCredential='")
    return text


def bound(text: str) -> float | None:
    """Seconds that something may take, None for any; there must be some."""
    seconds = _NEVER(text)
    if seconds == 0:
        raise ValueError(f"'{text}' leaves no time at all: give a duration, or 'never' for no bound")
    return seconds


def server(text: str) -> str:
    """The address of somebody else's server, in its one spelling. What may hide a secret is not shown."""
    return str(endpoint_of(units.text(text)))


def foreign_key(text: str) -> str:
    """A key that another server gave out, as long as it goes into a header. It is never shown."""
    if not text:
        raise ValueError("is empty: give it a value or remove the key")
    if len(text) > units.MOST_KEY:
        raise ValueError(f"has {len(text)} characters, a header takes {units.MOST_KEY} at most")
    if " " in text or not (text.isascii() and text.isprintable()):
        raise ValueError("holds a blank, a control character or a letter beyond ASCII: give the bare key")
    return text


_NUMBER_OR_TEXT = {"type": ["number", "string"]}
_TEXT_LIKE = {"type": ["string", "number", "boolean"]}
_NEVER: Callable[[str], float | None] = units.word({"never": None}, units.duration)
_THREADS: Callable[[str], int | None] = units.word({"auto": None}, units.whole(1))
_LAYERS: Callable[[str], int | None] = units.word({"all": ALL_LAYERS, "auto": None}, units.whole(0))


def _number(least: int | None) -> Leaf:
    return Leaf(units.whole(least), {"type": "integer"} | ({} if least is None else {"minimum": least}))


def _between(least: int, most: int) -> Leaf:
    return Leaf(units.whole(least, most), {"type": "integer", "minimum": least, "maximum": most})


def _one_of(*options: str) -> Leaf:
    return Leaf(units.choice(*options), {"enum": list(options)})


def _memory(example: str) -> Leaf:
    return Leaf(units.memory(example), _SIZE | {"examples": [example]})


_CPUS = {"type": ["string", "integer"], "minimum": 0, "pattern": "^ *[0-9]+(-[0-9]+)?( *, *[0-9]+(-[0-9]+)?)* *$"}
_RATE = {"type": "string", "pattern": "^[0-9]+([.][0-9]+)? ?[kM]? ?/ ?(s|sec|min|h|hour|day)$"}
_SIZE = {"type": "string", "pattern": "^[0-9]+([.][0-9]+)? ?([KMGT]i?)?B$"}
_NEED = Leaf(units.memory("22GiB", zero=True), {"anyOf": [_SIZE | {"examples": ["22GiB"]}, {"const": 0}]})
_COUNTER = Leaf(units.counter, {"type": "integer", "minimum": 0})
_FREE_TEXT = Leaf(units.text, _TEXT_LIKE)

Text = Annotated[str, _FREE_TEXT]
Flag = Annotated[bool, Leaf(units.boolean, {"type": "boolean"})]
Duration = Annotated[float, Leaf(units.duration, _NUMBER_OR_TEXT | {"examples": ["500ms", "30s", "15m", "1h"]})]
Never = Annotated[float, Leaf(_NEVER, _NUMBER_OR_TEXT | {"examples": ["30s", "15m", "1h", "never"]})]
"""A duration, or ``never``, which reads as None: a key of this kind is typed ``Never | None``."""
Bound = Annotated[float, Leaf(bound, _NUMBER_OR_TEXT | {"examples": ["30s", "15m", "1h", "never"]})]
"""As ``Never``, but not nothing."""
Size = Annotated[int, Leaf(units.size, _NUMBER_OR_TEXT | {"examples": ["512MiB", "22GiB", "100MB"]})]
Whole = Annotated[int, _number(0)]
Positive = Annotated[int, _number(1)]
Rank = Annotated[int, _number(None)]
Budget = Annotated[
    dict[str, int], Table(_COUNTER, named={NAME: _memory("22GiB"), memory.RESERVE: _memory("1GiB")})
]
Needs = Annotated[dict[str, int], Table(_COUNTER, named={NAME: _NEED})]
"""As ``Budget``; that a model takes no memory at all can be said too."""
Threads = Annotated[int, Leaf(_THREADS, {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]})]
Layers = Annotated[int, Leaf(_LAYERS, {"anyOf": [{"type": "integer", "minimum": 0}, {"enum": ["all", "auto"]}]})]
Path = Annotated[str, FilePath()]
Program = Annotated[str, FilePath(program=True)]
Paths = Annotated[tuple[str, ...], Many(FilePath())]
Texts = Annotated[tuple[str, ...], Many(_FREE_TEXT)]
Names = Annotated[tuple[str, ...], Many(_FREE_TEXT, strict=True)]
Arguments = Annotated[tuple[str, ...], Many(Leaf(str, _TEXT_LIKE, ARGUMENT), strict=True)]
Variable = Annotated[str, Leaf(str, _TEXT_LIKE, ADDRESS)]
Macro = Annotated[str, Leaf(str, _TEXT_LIKE, LATER)]
Command = Annotated[tuple[str, ...], Leaf(words, {"type": "string"}, COMMAND)]
StopCommand = Annotated[tuple[str, ...], Leaf(words, {"type": "string"}, ADDRESS)]
Rate = Annotated[Window, Leaf(units.rate, _RATE | {"examples": ["120/min", "50k/hour"]})]
Secret = Annotated[str, Leaf(units.secret, {"type": ["string", "number"]})]
Credential = Annotated[str, Leaf(credential, {"type": "string", "pattern": "^[^/]+$"})]
UrlPath = Annotated[str, Leaf(web_path, {"type": "string", "pattern": "^/"})]
Kind = Annotated[str, _one_of(*KINDS)]
Server = Annotated[str, Leaf(server, {"type": "string", "pattern": "^https?://[^@?#]+$"})]
ForeignKey = Annotated[str, Leaf(foreign_key, {"type": ["string", "number"]})]
Abilities = Annotated[tuple[str, ...], Many(_one_of(*ABILITIES), strict=True)]
Origins = Annotated[tuple[str, ...], Many(Leaf(manners.origin, {"type": "string"}))]
HostNames = Annotated[tuple[str, ...], Many(Leaf(manners.host, {"type": "string"}))]
Proxies = Annotated[tuple[str, ...], Many(Leaf(manners.proxy, {"type": "string"}))]
LogLevel = Annotated[str, _one_of("debug", "info", "warning", "error")]
LogFormat = Annotated[str, _one_of("auto", "text", "json")]
Listens = Annotated[str, _one_of("tcp", "unix")]
Choose = Annotated[str, _one_of("warm", "first", "spread")]
Restarts = Annotated[str, _one_of(*(restart.value for restart in Restart))]
Nice = Annotated[int, _between(-20, 19)]
OomScore = Annotated[int, _between(-1000, 1000)]
Cpus = Annotated[tuple[tuple[int, ...], ...], Many(Leaf(standing.cpus, _CPUS | {"examples": ["0-3,8"]}))]
"""What was named together stands together: ``[0-3, 8]`` reads as two tuples."""
Umask = Annotated[int, Leaf(standing.umask, {"type": ["string", "integer"], "pattern": "^0?[0-7]{3}$"})]
