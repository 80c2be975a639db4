"""``docker run`` (podman, nerdctl) as swapd needs it: in the foreground, on a port of this machine, named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from swapd.importers.kinds import Server, of_command, of_image
from swapd.importers.sheet import Sheet

CLIENTS = {"docker", "podman", "nerdctl"}
PUBLISHED = "127.0.0.1:${port}"
_WITHOUT = """
-d --detach -i --interactive -t --tty --rm --init --privileged --read-only --no-healthcheck -P --publish-all
--oom-kill-disable --sig-proxy --disable-content-trust -q --quiet --replace --tls-verify
"""
_ALONE = frozenset(_WITHOUT.split())
"""Options of ``docker run`` without a value, by its reference; all others have one."""
_CLUSTER = re.compile(r"-[ditPq]+")
_DROPPED = {
    "-d": "an engine stays in the foreground, so that swapd sees it end",
    "--detach": "an engine stays in the foreground, so that swapd sees it end",
    "--restart": "swapd sees to that (see 'restart')",
}
_SILENT = {"-i", "-t", "--interactive", "--tty"}
"""An engine has no terminal, and docker refuses to go on without one."""
_PORTS = ("-p", "--publish")
_ENV = ("-e", "--env")
KEYS = {"LLAMA_API_KEY", "LLAMA_ARG_API_KEY", "VLLM_API_KEY"}
"""Variables by which a server asks its clients for a key (llama.cpp, vLLM)."""
_FIT = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(slots=True)
class Run:
    """A ``docker run`` taken apart. ``options``: each with its value, None for one that stands alone."""

    client: list[str]
    options: list[tuple[str, str | None]] = field(default_factory=list)
    image: str = ""
    command: list[str] = field(default_factory=list)

    @property
    def server(self) -> Server | None:
        """What is in it."""
        return of_image(self.image) or of_command(self.command)

    def value(self, *names: str) -> str:
        """The value of the last option of that name."""
        return next((value or "" for name, value in reversed(self.options) if name in names), "")

    def words(self) -> list[str]:
        """Put together again."""
        found = [*self.client, "run"]
        for name, value in self.options:
            found += [name] if value is None else [name, value]
        return [*found, self.image, *self.command]


def is_container(words: Sequence[str]) -> bool:
    """Whether it runs a container."""
    return bool(words) and PurePath(words[0]).name in CLIENTS and "run" in words[1:3]


def apart(words: Sequence[str]) -> Run:
    """A ``docker run`` line as its parts."""
    at = list(words).index("run")
    run, rest = Run(list(words[:at])), list(words[at + 1 :])
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        name, joined, value = word.partition("=")
        if name in _ALONE or (not joined and _CLUSTER.fullmatch(word)):
            parts = [f"-{letter}" for letter in word[1:]] if not word.startswith("--") else [name]
            run.options += [(part, None) for part in parts]
        elif joined:
            run.options.append((name, value))
        elif word[:2] in ("-p", "-e", "-v") and len(word) > 2 and not word.startswith("--"):
            run.options.append((word[:2], word[2:]))
        else:
            run.options.append((name, rest.pop(0) if rest else ""))
    run.image, run.command = "".join(rest[:1]), rest[1:]
    return run


def fitted(run: Run, sheet: Sheet, outer: str = "") -> None:
    """Change it so that swapd can start, reach and stop it. ``outer``: the port it was published on, if known."""
    kept: list[tuple[str, str | None]] = []
    for name, value in run.options:
        if name in _DROPPED and value != "no":
            sheet.leave(f"{name} {value or ''}".strip(), _DROPPED[name])
        elif name not in _SILENT and name not in _DROPPED:
            kept.append((name, value))
    run.options = kept
    if ("--rm", None) not in kept:
        run.options.insert(0, ("--rm", None))
    if not run.value("--name"):
        slug = re.sub(r"[^a-zA-Z0-9_.-]+", "-", sheet.name).strip("-.")
        fit = bool(_FIT.fullmatch(sheet.name))
        run.options.append(("--name", "${model}" if fit else f"swapd-{slug}"))
    sheet.keys.setdefault("stop", f"{' '.join(run.client)} stop {run.value('--name')}")
    _publish(run, sheet, outer)


def _publish(run: Run, sheet: Sheet, outer: str) -> None:
    """One port on this machine's loopback, chosen by swapd; the others stay."""
    server = run.server
    inside = _inside(run, server)
    network = run.value("--network", "--net")
    if network == "host":
        run.options = [option for option in run.options if option[0] not in _PORTS]
        _inner_port(run, sheet, server)
        return
    if network.startswith(("container:", "service:")):
        run.options = [option for option in run.options if option[0] not in ("--network", "--net")]
        sheet.leave(f"--network {network}", "a container in another's network has no port of its own here")
    ports = [n for n, (name, _) in enumerate(run.options) if name in _PORTS]
    chosen = next((n for n in ports if "${port}" in (run.options[n][1] or "")), None)
    if chosen is None:
        ends = [(n, (run.options[n][1] or "").split("/")[0].rpartition(":")) for n in ports]
        chosen = next((n for n, (out, _, _) in ends if outer and out.rpartition(":")[2] == outer), None)
        chosen = next((n for n, (_, _, to) in ends if to == inside), None) if chosen is None else chosen
        chosen = ports[0] if chosen is None and ports else chosen
    if chosen is None:
        run.options.append(("-p", f"{PUBLISHED}:{inside or 8080}"))
        return
    value = run.options[chosen][1] or ""
    run.options[chosen] = ("-p", f"{PUBLISHED}:{value.rpartition(':')[2]}")
    if not value.startswith("127.0.0.1:"):
        sheet.remark(f"'-p {value}' let the network ask the container itself; only this machine can now")


def _inside(run: Run, server: Server | None) -> str:
    for n, word in enumerate(run.command):
        if word == "--port":
            return "".join(run.command[n + 1 : n + 2])
        if word.startswith("--port="):
            return word.partition("=")[2]
    told = [(value or "").partition("=") for name, value in run.options if name in _ENV]
    said = next((value for name, _, value in reversed(told) if name == "LLAMA_ARG_PORT"), "")
    return said or (str(server.port) if server is not None else "")


def keyless(run: Run) -> bool:
    """Take the keys away that its environment asks clients for; whether there were any."""
    kept = [(n, v) for n, v in run.options if n not in _ENV or (v or "").partition("=")[0] not in KEYS]
    had = len(kept) < len(run.options)
    run.options = kept
    return had


def reads_here(words: Sequence[str]) -> bool:
    """Whether it names files of the folder that it is started in."""
    if not is_container(words):
        return False
    said = [(name, value or "") for name, value in apart(words).options]
    return any(
        value.startswith(("./", "../")) or (name == "--env-file" and not value.startswith(("/", "$", "~")))
        for name, value in said
    )


def _inner_port(run: Run, sheet: Sheet, server: Server | None) -> None:
    """It has the network of the host: the port is its own."""
    if any("${port}" in word for word in run.command):
        return
    for n, word in enumerate(run.command):
        if word == "--port" and n + 1 < len(run.command):
            run.command[n + 1] = "${port}"
            return
        if word.startswith("--port="):
            run.command[n] = "--port=${port}"
            return
    run.command += ["--port", "${port}"]
    if server is None:
        sheet.remark("'--port ${port}' was added to its command: change it to what the server takes")
