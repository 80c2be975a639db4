"""A systemd unit: its ``ExecStart`` as a command, and what it says of the process as keys (systemd.service(5))."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath

from swapd.core.draft import Draft
from swapd.importers import engine
from swapd.importers.command import inside, unwrapped
from swapd.importers.naming import model_name
from swapd.importers.prefix import assignments
from swapd.importers.sheet import CannotImport, Names, Sheet, Source, held
from swapd.importers.shell import Command, Shell

_SPECIFIERS = {"%h": "${env.HOME}", "%%": "%", "%u": "${env.USER}"}
_AFFINITY = re.compile(r"\d+(-\d+)?([ ,]+\d+(-\d+)?)*")
_SILENT = {
    "Type",
    "ExecStart",
    "Environment",
    "WorkingDirectory",
    "SyslogIdentifier",
    "RemainAfterExit",
    "PIDFile",
}
_TIMES = {"TimeoutStartSec": "start_timeout", "TimeoutStopSec": "stop_grace"}
_OUTPUT = "the output is in `swapd logs`"
_ENDS = "swapd ends an engine by SIGTERM, then SIGKILL, with all its children"
_ELSEWHERE = {
    "User": "engines run as the user that swapd runs as",
    "Group": "engines run as the user that swapd runs as",
    "EnvironmentFile": "give its variables to swapd, or write them under 'env'",
    "ExecStartPre": "nothing is run before an engine",
    "ExecStartPost": "nothing is run after an engine's start",
    "MemoryMax": "say what it needs with 'needs', or what there is with 'budget'",
    "DeviceAllow": "allow it in swapd's own unit",
    "Restart": "swapd sees to that (see 'restart')",
    "RestartSec": "swapd sees to that (see 'restart')",
    "StandardOutput": _OUTPUT,
    "StandardError": _OUTPUT,
    "ExecStop": _ENDS,
    "KillMode": _ENDS,
    "KillSignal": _ENDS,
}
_NOTHING = "nothing here says the same; if it is needed, say it in swapd's own unit"
_TAKEN = {"Nice": "nice", "CPUAffinity": "cpus", "OOMScoreAdjust": "oom_score_adj", "UMask": "umask", **_TIMES}


def imported(source: Source) -> Draft:
    """The draft: one model. Raises CannotImport."""
    said = _settings(source.text)
    if not said.get("ExecStart"):
        raise CannotImport("the unit has no ExecStart=, so it starts nothing")
    words = _words(said["ExecStart"][-1].lstrip("@-:+!"))
    env, wrong = assignments([each for line in said.get("Environment", []) for each in _words(line)])
    shell = Shell(folder=source.folder)
    words = [each for word in words for each in _filled(word, env, shell)]
    command = unwrapped(Command(words, env), shell)[0]
    words, env = command.words, command.env
    sheet = Sheet(Names().fresh(model_name(words)))
    for line in wrong:
        sheet.leave(f"Environment={line}", "it is no assignment")
    _process(sheet, said)
    if not engine.fill(sheet, engine.Line(words, env)):
        raise CannotImport("its ExecStart= cannot be told where to listen: swapd chooses the port of each engine")
    folder = command.cwd or str(sheet.keys.get("cwd", ""))
    if folder and "url" not in sheet.keys:
        inside(sheet, folder)
    _tell_open(sheet, [*words, *env.values()], shell)
    for key in said:
        if key not in _SILENT and _TAKEN.get(key) not in sheet.keys:
            why = f"write it as '{_TAKEN[key]}'" if key in _TAKEN else _ELSEWHERE.get(key, _NOTHING)
            sheet.leave(f"{key}={said[key][-1]}", why)
    head = f"Made by `swapd import` from {PurePath(source.name).name}. Disable that unit before swapd serves."
    return Draft(models=(sheet.drafted(),), head=(head,))


def _settings(text: str) -> dict[str, list[str]]:
    """All settings of ``[Service]``; an empty one forgets those before it."""
    found: dict[str, list[str]] = {}
    section = ""
    uncommented = re.sub(r"^[ \t]*[#;].*\n", "", text.replace("\r\n", "\n"), flags=re.MULTILINE)
    for line in uncommented.replace("\\\n", " ").splitlines():
        bare = line.strip()
        if bare.startswith("["):
            section = bare
        elif section == "[Service]" and "=" in bare and not bare.startswith(("#", ";")):
            key, _, value = bare.partition("=")
            if value.strip():
                found.setdefault(key.strip(), []).append(value.strip())
            else:
                found.pop(key.strip(), None)
    return found


def _words(line: str) -> list[str]:
    for specifier, meant in _SPECIFIERS.items():
        line = line.replace(specifier, meant)
    try:
        return shlex.split(line)
    except ValueError as error:
        raise CannotImport(f"a line of the unit cannot be split into words: {error}") from None


def _filled(word: str, env: dict[str, str], shell: Shell) -> list[str]:
    """Its variables: of the unit, else of the environment that swapd is started in.

    One that is a word by itself, ``$X``, becomes as many words as it holds.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        return env[name] if name in env else shell.value(name)[0]

    filled = re.sub(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)", value, word)
    return _words(filled) if re.fullmatch(r"\$[A-Za-z_]\w*", word) and word[1:] in env else [filled]


def _tell_open(sheet: Sheet, words: Sequence[str], shell: Shell) -> None:
    """What the unit itself does not say: variables of elsewhere, and the instance of a template."""
    if unset := sorted(name for name in shell.gaps.unknown if f"${{env.{name}}}" in str(sheet.keys)):
        what = held(f"${name}" for name in unset)
        sheet.remark(f"{what}: not set in the unit, so swapd takes it from its environment; or write the value")
    for specifier in sorted({each for word in words for each in re.findall(r"%[a-zA-Z]", word)}):
        sheet.leave(specifier, "systemd fills that in (see systemd.unit, 'SPECIFIERS'): write the value")


def _process(sheet: Sheet, said: dict[str, list[str]]) -> None:
    def last(key: str) -> str:
        return said.get(key, [""])[-1]

    if (folder := last("WorkingDirectory").lstrip("-")).startswith(("/", "~", "%h")):
        sheet.keys["cwd"] = folder.replace("%h", "~")
    if re.fullmatch(r"-?\d{1,2}", last("Nice")):
        sheet.keys["nice"] = int(last("Nice"))
    if _AFFINITY.fullmatch(last("CPUAffinity")):
        sheet.keys["cpus"] = re.sub(r"[ ,]+", ",", last("CPUAffinity"))
    if re.fullmatch(r"-?\d{1,4}", last("OOMScoreAdjust")):
        sheet.keys["oom_score_adj"] = int(last("OOMScoreAdjust"))
    if re.fullmatch(r"[0-7]{3,4}", last("UMask")):
        sheet.keys["umask"] = last("UMask")
    for theirs, ours in _TIMES.items():
        if re.fullmatch(r"\d{1,6}(s|m|h|min)?", last(theirs)):
            sheet.keys[ours] = last(theirs).replace("min", "m") + ("" if last(theirs)[-1].isalpha() else "s")
