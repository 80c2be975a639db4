"""A pasted command line or a shell script: each server that it starts becomes a model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from swapd.core.draft import Draft
from swapd.importers import container, engine, paths, remote, script, windows
from swapd.importers.kinds import of_command, starts
from swapd.importers.naming import model_name
from swapd.importers.prefix import stripped
from swapd.importers.quoting import joined, literal
from swapd.importers.sheet import CannotImport, Names, Sheet, Source, held, left, told
from swapd.importers.shell import Command, Shell

_THREADS = {"-t", "--threads", "-tb", "--threads-batch"}
_SHELLS = {"bash", "sh", "zsh", "dash", "ash", "fish", "su", "tmux", "screen", "alias", "systemd-run"}
_SPEAK = ("echo", "printf", "[", "[[", "test")
_BRANCHES = re.compile(r"(^|[;\s])(else|elif|case)\s")
_SET = re.compile(r"(?:^|[;\s])([A-Za-z_]\w*)=")


def imported(source: Source) -> Draft:
    """The draft. Raises CannotImport."""
    shell = script.commands(source.text, source.folder)
    commands = [inner for command in shell.commands for inner in unwrapped(command, shell)]
    servers = [command for command in commands if _starts_server(command.words)]
    if not servers:
        servers = [command for command in commands if _listens(command.words)]
    if not servers:
        raise CannotImport(
            "no command in it starts a model server: paste the line that does, such as 'llama-server -m x.gguf'"
        )
    names, sheets = Names(), []
    lost = [
        left(f"{_at(other)}{joined(other.words)}", why) for other in commands if (why := _lost(other, servers))
    ]
    for command in servers:
        name = model_name([_guessed(word, shell) for word in command.words])
        sheet = Sheet(names.fresh(name))
        if _fill(sheet, command, shell):
            sheets.append(sheet)
        else:
            lost.append(
                left(
                    f"{_at(command)}{joined(command.words)}",
                    "it cannot be told where to listen: swapd chooses the port",
                )
            )
    return Draft(
        models=tuple(sheet.drafted() for sheet in sheets),
        head=(*_head(source), *shell.gaps.told),
        left=tuple(lost),
    )


def _at(command: Command) -> str:
    return f"line {command.line}: " if command.line > 1 else ""


def _lost(command: Command, servers: Sequence[Command]) -> str:
    """Why a command should have been one of the servers, or a part of one, and is not; empty where it need not."""
    words = stripped(command.words).words
    if command in servers or not words or words[0] in _SPEAK:
        return ""
    if words[0].startswith("-") and words[0][1:2].isalpha() | words[0].startswith("--"):
        return (
            "a shell ends the command before this line: end each line with a backslash, and put no comment between"
        )
    return "swapd knows no server of that name: if it is one, paste it alone" if _listens(words) else ""


def _head(source: Source) -> tuple[str, ...]:
    where = "a pasted command" if source.name == "-" else PurePath(source.name).name
    head = f"Made by `swapd import` from {where}. Ports, hosts and names of the engines are swapd's to choose."
    if not _BRANCHES.search(source.text):
        return (head,)
    times = Counter(_SET.findall(source.text))
    several = sorted(name for name, count in times.items() if count > 1 and f"${name}" in _unbraced(source.text))
    if not several:
        return (head,)
    return head, told(f"{held(several)}: set more than once there, and the last counts here: is it the right one?")


def _guessed(word: str, shell: Shell) -> str:
    """With a plain word for what only a run could tell."""
    for piece in sorted(shell.gaps.open, key=len, reverse=True):
        word = word.replace(piece, "model")
    return word


def _unbraced(text: str) -> str:
    return text.replace("${", "$")


def unwrapped(command: Command, shell: Shell) -> list[Command]:
    """What another shell is told to run, ``bash -c '...'`` or ``tmux new -d '...'``; else the command itself."""
    bare = stripped(command.words)
    if not bare.words or PurePath(bare.words[0]).name not in _SHELLS:
        return [command]
    outer = command.env | bare.env
    text = next((word for word in reversed(bare.words[1:]) if " " in word.strip()), "")
    text = text.partition("=")[2] if bare.words[0] == "alias" else text
    inner = script.commands(text, shell.folder)
    found = [each for each in inner.commands if _starts_server(each.words)]
    shell.gaps.unknown.update(inner.gaps.unknown)
    shell.gaps.open.update(inner.gaps.open)
    if found:
        return [Command(each.words, outer | each.env, each.cwd or command.cwd, command.line) for each in found]
    at = next((n for n in range(1, len(bare.words)) if of_command(bare.words[n : n + 1])), 0)
    return [Command(bare.words[at:], outer, command.cwd, command.line)] if at else [command]


def _starts_server(words: list[str]) -> bool:
    if words[:1] == ["command"] and words[1:2] in (["-v"], ["-V"]):
        return False
    bare = stripped(words).words
    if container.is_container(bare):
        return container.apart(bare).server is not None
    if bare and PurePath(bare[0]).name == "ssh":
        return remote.apart(bare) is not None
    return starts(bare)


def _listens(words: list[str]) -> bool:
    bare = stripped(words).words
    return container.is_container(bare) or "--port" in bare


def _fill(sheet: Sheet, command: Command, shell: Shell) -> bool:
    words = _known(sheet, command, shell)
    done = engine.fill(sheet, engine.Line(words, command.env))
    if unset := sorted(name for name in shell.gaps.unknown if f"${{env.{name}}}" in str(sheet.keys)):
        what = held(f"${name}" for name in unset)
        sheet.remark(f"{what}: not set in the script, so swapd takes it from its environment; or write the value")
    folder = command.cwd or (literal(shell.folder) if container.reads_here(words) else "")
    if folder and "url" not in sheet.keys:
        inside(sheet, folder)
    paths.tell_program(sheet)
    return done


def _known(sheet: Sheet, command: Command, shell: Shell) -> list[str]:
    """Without what another command would have said when the script ran."""
    found = list(command.words)
    for n, word in enumerate(found):
        if any(piece in word for piece in shell.gaps.open):
            if n and found[n - 1] in _THREADS:
                sheet.remark(f"'{found[n - 1]} {word}': swapd chooses the threads")
                found[n] = "-1"
            else:
                sheet.leave(f"{_at(command)}{word}", "only a shell could tell its value: write it in")
    return found


def inside(sheet: Sheet, folder: str) -> None:
    """It was started in that folder: from there its paths lead."""
    sheet.keys["cwd"] = folder
    if not folder.startswith(("/", "${")):
        return

    def absolute(path: Any) -> Any:
        text = str(path)
        if text.startswith(("/", "~", "${")) or windows.paths(text):
            return path
        return f"{folder.rstrip('/')}/{text.removeprefix('./')}"

    for key in paths.PATHS:
        if key in sheet.keys:
            sheet.keys[key] = absolute(sheet.keys[key])
    if "/" in str(sheet.keys.get("binary", "")):
        sheet.keys["binary"] = absolute(sheet.keys["binary"])
    if "lora" in sheet.keys:
        sheet.keys["lora"] = [absolute(path) for path in sheet.keys["lora"]]
    if "path" in sheet.keys:
        sheet.notes = {key: note for key, note in sheet.notes.items() if key not in (*paths.PATHS, "binary")}
