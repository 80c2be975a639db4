"""What a model is called, and which kind it is, as far as the words that start it tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from swapd.importers import container, remote, windows
from swapd.importers.kinds import Server, of_command, served_name
from swapd.importers.prefix import stripped
from swapd.importers.quoting import Meaning, itself
from swapd.importers.sheet import Sheet

_UNSPLIT = {"bash", "sh", "zsh", "dash", "fish"}
_REFERENCE = re.compile(r"\$\{(?:env\.)?([\w-]+)\}")


def name_kind(sheet: Sheet, server: Server | None, words: Sequence[str]) -> None:
    """Which kind it is, so that swapd knows what may be asked, and by which name it goes there."""
    if PurePath(words[0] if words else "").name in _UNSPLIT:
        words = remote.server_in(next((word for word in words if " " in word), ""))
        server = of_command(words)
    if server is None:
        return
    if server.engine != "llama.cpp" and server.engine:
        sheet.keys["engine"] = server.engine
    if server.capabilities:
        sheet.keys["capabilities"] = list(server.capabilities)
    name = served_name(server, words) if server.engine not in ("llama.cpp", "") else ""
    if name and name != sheet.name:
        sheet.keys.setdefault("upstream_model", name)
    elif server.engine == "ollama":
        sheet.remark("say in 'upstream_model' which of its models is meant, or import its store")


def model_name(words: Sequence[str], meaning: Meaning = itself) -> str:
    """What a line's model is called: its alias, the name it is served by, or its file."""
    bare = stripped(list(words)).words
    if (there := remote.apart(bare)) is not None:
        bare = there.words
    told: dict[str, Any] = {}
    arguments = bare
    if container.is_container(bare):
        run = container.apart(bare)
        told["--name"], arguments = run.value("--name"), run.command
    for flag, word in pairwise(arguments):
        told.setdefault(flag, meaning(word))
    for flag in ("-a", "--alias", "--served-model-name"):
        if told.get(flag):
            return str(told[flag]).split(",")[0]
    for flag in ("-m", "--model", "-hf", "-hfr", "--hf-repo", "--model-id", "--model-path", "--name"):
        if told.get(flag) and of_command([str(told[flag])]) is None:  # `python -m vllm...` names no model
            return file_name(str(told[flag]))
    server = of_command(bare)
    return file_name(served_name(server, bare) if server else "") or windows.name(bare[0] if bare else "")


def file_name(path: str) -> str:
    """A model's name by its file or its repository: ``/x/Qwen3-8B-00001-of-00002.gguf``, ``org/Qwen3-8B``."""
    name = windows.name(_REFERENCE.sub(r"\1", path)).removesuffix(".gguf")
    return re.sub(r"-\d{5}-of-\d{5}$", "", name).removesuffix("-GGUF")
