"""The ``env_file`` of a service, which ``docker run --env-file`` reads with other eyes than compose.

As their references have it: compose takes quotes and comments off and fills variables in, docker takes lines as
they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from swapd.importers.container import KEYS
from swapd.importers.interpolation import assigned
from swapd.importers.run_options import Option
from swapd.importers.sheet import CannotImport, Sheet, Source, held, listed, mapping, text

_PORT = "LLAMA_ARG_PORT"
"""The one variable by which an engine would listen where nobody looks for it."""


def env_files(value: Any, source: Source, sheet: Sheet) -> Iterator[Option]:
    """The options for them, and into the sheet what is to be known of them."""
    for each in listed(value) or [value]:
        path = text(mapping(each).get("path")) or text(each)
        if path:
            path = path if path.startswith(("/", "~", "${")) else str(PurePath(source.folder, path))
            yield from _one(path, mapping(each).get("required") is not False, source, sheet)


def _one(path: str, required: bool, source: Source, sheet: Sheet) -> Iterator[Option]:
    try:
        found = source.beside(path) if source.beside is not None else ""
        values, _ = assigned(found or "", source.environ)
    except CannotImport as error:
        sheet.remark(f"env_file {path}: cannot read it: {error}")
        found, values = "", {}
    if found is None and not required:
        sheet.leave(f"env_file {path}", "there is no such file, and it need not be there")
        return
    if found is None:
        sheet.remark(f"env_file {path}: there is no such file, and docker starts nothing without it")
    yield "--env-file", path
    _tell(path, found or "", values, sheet)
    if values.get(_PORT):
        yield "-e", f"{_PORT}={values[_PORT]}"


def _tell(path: str, found: str, values: Mapping[str, str], sheet: Sheet) -> None:
    plain = dict(line.split("=", 1) for line in found.splitlines() if "=" in line and not line.startswith("#"))
    if odd := sorted(name for name, value in values.items() if plain.get(name) != value):
        sheet.remark(f"env_file {path}: docker takes quotes, comments and $X of a line as they are: {held(odd)}")
    if KEYS & values.keys():
        sheet.remark(
            f"env_file {path}: {held(sorted(KEYS & values.keys()))}: take it out, swapd asks for keys itself"
        )
