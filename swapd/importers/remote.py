"""``ssh HOST COMMAND``: a server that is started on another machine. Options as ssh(1) has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from swapd.importers import container
from swapd.importers.kinds import Server, of_command, starts
from swapd.importers.prefix import stripped
from swapd.importers.script import commands
from swapd.importers.sheet import CannotImport

_WITH_VALUE = frozenset("BbcDEeFIiJLlmOopQRSWw")
_OURS = re.compile(r"(?<!\$)\$\{([A-Za-z_]\w*)\}")
"""A reference of a config, such as ``${port}``: what a script left open is ``${env.X}`` by now."""
_HERE = ("127.", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Remote:
    """A server there. ``tunnels``: what ``-L`` said; ``words``: its command without what stands before it."""

    host: str
    tunnels: tuple[str, ...]
    words: list[str]

    @property
    def server(self) -> Server | None:
        """What it is."""
        if container.is_container(self.words):
            return container.apart(self.words).server
        return of_command(self.words)

    @property
    def port(self) -> str:
        """Where it listens, or its container does."""
        run = container.apart(self.words) if container.is_container(self.words) else None
        if run is not None and (published := run.value("-p", "--publish")):
            return published.split("/")[0].split(":")[-2:][0]
        said = self.said("--port")
        return said or str(self.server.port if self.server is not None else 8080)

    def said(self, flag: str) -> str:
        """The value of a flag of its command; empty where it has none."""
        for n, word in enumerate(self.words):
            if word == flag:
                return "".join(self.words[n + 1 : n + 2])
            if word.startswith(f"{flag}="):
                return word.partition("=")[2]
        return ""

    @property
    def tunnel(self) -> str:
        """The port of this machine from which a tunnel leads to it; empty where none does."""
        ends = [each.split(":") for each in self.tunnels]
        return next((end[-3] for end in ends if len(end) >= 3 and end[-1] == self.port), "")

    @property
    def is_closed(self) -> bool:
        """Whether it answers nobody but its own machine."""
        if container.is_container(self.words) or self.server is None or self.server.engine != "llama.cpp":
            return False
        return self.said("--host").startswith(_HERE) or not self.said("--host")


def apart(words: Sequence[str]) -> Remote | None:
    """What an ``ssh`` line starts there; None where it is another command, or starts no server."""
    if not words or PurePath(words[0]).name != "ssh":
        return None
    rest = list(words[1:])
    tunnels: list[str] = []
    while rest and rest[0].startswith("-") and rest[0] != "--":
        at = next((n for n, letter in enumerate(rest[0][1:], 1) if letter in _WITH_VALUE), 0)
        option = rest.pop(0)
        value = option[at + 1 :] or (rest.pop(0) if rest else "") if at else ""
        tunnels += [value] if at and option[at] == "L" else []
    host = _host(rest.pop(0) if rest else "")
    server = server_in(" ".join(rest))
    return Remote(host, tuple(tunnels), server) if server and host else None


def _host(destination: str) -> str:
    """``user@box``, ``ssh://user@box:22``: the machine, as an address has it."""
    host = destination.removeprefix("ssh://").rpartition("@")[2]
    if destination.startswith("ssh://"):
        host = re.sub(r"(:\d+)?/?$", "", host)
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def server_in(text: str) -> list[str]:
    """The first command of a shell's text that starts a server; no words where none does."""
    ours = {name: [f"${{{name}}}"] for name in _OURS.findall(text)}
    try:
        inner = [stripped(each.words).words for each in commands(text, values=ours).commands]
    except CannotImport:
        return []
    return next((each for each in inner if _is_server(each)), [])


def _is_server(words: Sequence[str]) -> bool:
    return starts(words) or (container.is_container(words) and container.apart(words).server is not None)
