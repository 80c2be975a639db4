"""The words that start a server become a model's keys: described where that changes nothing, else its command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from swapd.importers import container, elsewhere, flags, options, paths, remote
from swapd.importers.kinds import is_llama_server, of_command
from swapd.importers.naming import name_kind
from swapd.importers.prefix import stripped
from swapd.importers.quoting import Meaning, itself, joined
from swapd.importers.sheet import Sheet

PORT, HOST = "${port}", "${host}"
_LOCAL = {"127.0.0.1", "localhost", "::1", "", HOST}
_KEYED = ("--api-key", "--api-key-file")
_PORTS = ("--port", "--listen-port")
"""The second is stable-diffusion.cpp's."""


@dataclass(frozen=True, slots=True)
class Line:
    """A command line to be taken over. ``port``: the fixed port that it listens on, where that is known."""

    words: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    meaning: Meaning = itself
    port: str = ""


def fill(sheet: Sheet, line: Line) -> bool:
    """Put the line into the sheet. False where swapd could not tell the server its port: then it is of no use."""
    bare = stripped(list(line.words))
    sheet.keys |= bare.keys
    if env := line.env | bare.env:
        sheet.keys["env"] = env
    for what, why in bare.fell:
        sheet.leave(what, why)
    done = _filled(sheet, bare.words, line)
    paths.tell_windows(sheet, line.meaning)
    return done


def _filled(sheet: Sheet, words: list[str], line: Line) -> bool:
    there = remote.apart(words)
    if there is not None and not any(PORT in tunnel for tunnel in there.tunnels):
        elsewhere.ask(sheet, there)
        return True
    if container.KEYS & sheet.keys.get("env", {}).keys():
        _tell_key(sheet)
        _set_env(sheet, {name: v for name, v in sheet.keys["env"].items() if name not in container.KEYS})
    if container.is_container(words):
        return _contained(sheet, words, line.port)
    if is_llama_server([line.meaning(word) for word in words[:1]]):
        return _llama_server(sheet, words, line)
    return _raw(sheet, words, line)


def _contained(sheet: Sheet, words: Sequence[str], port: str) -> bool:
    run = container.apart(words)
    if not run.image:
        return False
    if container.keyless(run):
        _tell_key(sheet)
    container.fitted(run, sheet, port)
    server = run.server
    run.command = _without_keys(run.command, sheet)
    sheet.keys["command"] = joined(run.words())
    name_kind(sheet, server, run.command)
    return PORT in sheet.keys["command"]


def _llama_server(sheet: Sheet, words: Sequence[str], line: Line) -> bool:
    said, env = _of_environment(sheet.keys.get("env", {}))
    found = flags.described([*said, *words[1:]], line.meaning)
    if isinstance(found, str):
        sheet.remark(f"kept as a command: {found}")
        return _raw(sheet, words, line)
    if words[0] != "llama-server":
        sheet.keys["binary"] = words[0]
    _set_env(sheet, env)
    sheet.keys |= found.keys
    if found.automatic:
        sheet.notes["parallel"] = "what llama-server takes where -np is not said, on one cache for all"
    _tell_dropped(sheet, found.dropped)
    paths.tell_relative(sheet, line.meaning)
    return True


def _of_environment(env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The flags that a variable says and swapd would say too, and all other variables.

    A flag counts for more than its variable there, so swapd's would put the variable out of force.
    """
    said: list[str] = []
    kept = dict(env)
    for name, value in env.items():
        if name.startswith("LLAMA_ARG_"):
            words = options.words(*options.told(options.option(name), value))
            if words and flags.is_told(words[0]):
                said += words
                del kept[name]
    return said, kept


def _set_env(sheet: Sheet, env: dict[str, str]) -> None:
    if env:
        sheet.keys["env"] = env
    else:
        sheet.keys.pop("env", None)


def _tell_dropped(sheet: Sheet, dropped: dict[str, str]) -> None:
    if "api-key" in dropped or "api-key-file" in dropped:
        _tell_key(sheet)
    if (host := dropped.get("host", "")) not in _LOCAL:
        sheet.remark(f"'--host {host}' let the network ask the engine itself; only swapd can now")


def _tell_key(sheet: Sheet) -> None:
    sheet.leave("--api-key", "its engine answers to this machine only, and swapd asks for the keys of 'clients'")


def _raw(sheet: Sheet, words: Sequence[str], line: Line) -> bool:
    """Any other command, with its port left to swapd."""
    server = of_command([line.meaning(word) for word in words])
    kept = _placed(_without_keys(words, sheet), line.port)
    reachable = any(PORT in word for word in (*kept, *sheet.keys.get("env", {}).values()))
    if not reachable and server is not None and server.engine == "ollama":
        sheet.keys["env"] = {**sheet.keys.get("env", {}), "OLLAMA_HOST": f"{HOST}:{PORT}"}
        reachable = True
    elif not reachable and server is not None:
        kept += ["--host", HOST] * ("--host" not in kept) + ["--port", PORT]
        reachable = True
    sheet.keys["command"] = joined(kept)
    name_kind(sheet, server, kept)
    return reachable and bool(kept)


def _without_keys(words: Sequence[str], sheet: Sheet) -> list[str]:
    """A key in a command line is seen by all on the machine, and swapd asks for keys itself."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _KEYED:
            next(rest, None)
        elif not word.startswith(tuple(f"{flag}=" for flag in _KEYED)):
            kept.append(word)
    if len(kept) < len(words):
        _tell_key(sheet)
    return kept


def _placed(words: Sequence[str], port: str) -> list[str]:
    """With ``${port}`` for the port, and on this machine's loopback."""
    found = list(words)
    for n, word in enumerate(found[1:], 1):
        if found[n - 1] == "--host" and word != HOST:
            found[n] = HOST
        elif word.startswith("--host="):
            found[n] = f"--host={HOST}"
    if any(PORT in word for word in found):
        return found
    for n, word in enumerate(found[1:], 1):
        if found[n - 1] in _PORTS:
            found[n] = PORT
        elif word.startswith("--port="):
            found[n] = f"--port={PORT}"
    if any(PORT in word for word in found) or not port:
        return found
    whole = re.compile(rf"(?<![\d.]){re.escape(port)}(?![\d.])")
    return [found[0], *(whole.sub(lambda _: PORT, word) for word in found[1:])] if found else found
