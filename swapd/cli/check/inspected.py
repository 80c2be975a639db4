"""What ``check`` finds beyond the config's own text: flags, files, doors, keys, the service. Changes nothing."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from swapd.cli.check.findings import Finding
from swapd.cli.service import files as service_files
from swapd.cli.service.look import states
from swapd.config import Loaded
from swapd.core.settings import Settings
from swapd.doors import CannotListen, try_to_listen
from swapd.engines import helped
from swapd.engines.devices import BOUND
from swapd.machine.asked import files_of

MAGIC = b"GGUF"
"""With these bytes every GGUF file begins."""
OTHERS, GROUP = 0o007, 0o070
"""The bits of a file's mode for everybody, and for its group."""
SERVICE_GROUP = "swapd"
"""The group of the service's own user: it has to read the config."""


def inspect(path: Path, loaded: Loaded, models: list[dict[str, Any]]) -> list[Finding]:
    """All of it, of a config without problems. ``models``: as ``described``. Blocks, for seconds at most."""
    assert loaded.catalog is not None and loaded.settings is not None
    return [
        *_flags(models, os.environ),
        *_files(models),
        *_doors(loaded.settings),
        *_keys(loaded),
        *_service(path),
    ]


def _flags(models: Iterable[Mapping[str, Any]], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Words of command lines that this very binary would refuse."""
    asked = [m for m in models if m["command"] and helped.is_llama_server(m["command"][0])]
    programs = sorted({model["command"][0] for model in asked})
    with ThreadPoolExecutor(max_workers=4) as pool:
        known = dict(zip(programs, pool.map(lambda program: _known(program, environ), programs), strict=True))
    for model in asked:
        program = model["command"][0]
        if (flags := known[program]) is None:
            continue
        if not flags:
            text = f"its flags are not checked: `{program} --help` tells of none within {BOUND:g} s"
            yield Finding(model["name"], text, note=True)
            continue
        for complaint in helped.complaints(model["command"], flags):
            yield Finding(model["name"], f"{complaint}: see `{program} --help`")


def _known(program: str, environ: Mapping[str, str]) -> helped.Known | None:
    """Empty where it does not tell; None where it cannot be run, which is told elsewhere."""
    try:
        return helped.known(program, environ)
    except TimeoutError:
        return {}
    except OSError:
        return None


def _files(models: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    """What llama.cpp loads besides the model: a projector, a draft, adapters. The model itself was weighed."""
    for model in models:
        if not model["command"] or model["engine"] != "llama.cpp":
            continue
        files = files_of(model["command"])
        for file in (*files.others, *([files.draft] if files.draft else [])):
            if file.is_file() and not _is_gguf(file):
                yield Finding(model["name"], f"'{file}' is no GGUF file: name one, or convert it")


def _is_gguf(file: Path) -> bool:
    """Whether it begins as one. What cannot be read is told elsewhere."""
    try:
        with file.open("rb") as opened:
            return opened.read(len(MAGIC)) == MAGIC
    except OSError:
        return True


def _doors(settings: Settings) -> Iterator[Finding]:
    for address in settings.listen:
        try:
            answers = try_to_listen(address)
        except CannotListen as error:
            yield Finding(str(address), str(error))
        else:
            if answers:
                yield Finding(str(address), "a swapd answers there already", note=True)


def _keys(loaded: Loaded) -> Iterator[Finding]:
    """Files of the config in which a key stands, and that others may read."""
    assert loaded.catalog is not None and loaded.settings is not None
    keys = [loaded.settings.admin_key, *(client.key for client in loaded.settings.clients or ())]
    keys += [spec.launch.key.rpartition(" ")[2] for spec in loaded.catalog.models.values()]
    for file in loaded.files:
        try:
            text, about = file.read_text(errors="replace"), file.stat()
        except OSError:
            continue
        if any(key and key in text for key in keys) and _is_open(about):
            yield Finding(str(file), f"keys stand in it, and others may read it: say chmod o=,g= {file}")


def _is_open(about: os.stat_result) -> bool:
    if about.st_mode & OTHERS:
        return True
    try:
        group = grp.getgrgid(about.st_gid).gr_name
    except KeyError:
        group = ""
    return bool(about.st_mode & GROUP) and group != SERVICE_GROUP


def _service(path: Path) -> Iterator[Finding]:
    """Of the units that there are: whether they are as they would be written now, and run this config."""
    for place in (service_files.of_machine(), service_files.of_user(os.environ)):
        try:
            unit = place.service.read_text()
        except OSError:
            continue
        config = service_files.config_of(unit)
        if config is not None and config != path.resolve():
            yield Finding(str(place.service), f"it runs with {config}, not with this file", note=True)
            continue
        install = "swapd service install" + (" --user" if place.user else "")
        for file, state in states(place).items():
            if state == "as it should be":
                yield Finding(str(file), "it is as it should be", note=True)
            elif state == "edited":
                yield Finding(str(file), "it was edited: your own settings belong into a drop-in", note=True)
            else:
                yield Finding(str(file), f"it is {state}: say `{install}`")
