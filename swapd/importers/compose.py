"""A docker-compose file: each service that serves models becomes a model, its command the ``docker run`` for it.

A container stays a container: its image brings drivers and libraries that the machine may not have. Keys as the
Compose file reference has them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from swapd.core.draft import Draft
from swapd.importers import container
from swapd.importers.engine import Line, fill
from swapd.importers.env_files import env_files
from swapd.importers.interpolation import Variables, assigned, expanded
from swapd.importers.kinds import of_command, of_image
from swapd.importers.run_options import Option, gpus, known, mount, options
from swapd.importers.services import extended
from swapd.importers.sheet import (
    MOST_TEXT,
    CannotImport,
    Names,
    Parse,
    Sheet,
    Source,
    held,
    left,
    listed,
    mapping,
    seconds,
    text,
    told,
)

_DURATION = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,4})m)?(?:(\d{1,6})s)?")
MOST_TOLD = 20
_READ = {"image", "command", "entrypoint", "volumes", "gpus", "env_file", "stop_grace_period"}
_READ |= {"tty", "stdin_open", "expose"}
_WHY = {
    "restart": "swapd sees to that (see 'restart')",
    "healthcheck": "swapd asks the server itself whether it is ready (see 'health')",
    "depends_on": "swapd starts a model when it is asked for",
    "profiles": "swapd starts a model when it is asked for",
    "logging": "the output is in `swapd logs`",
    "extends": "what it extends is in another file: add by hand what that says",
    "networks": "swapd reaches it over a port of this machine",
    "build": "build its image first, and tag it with the name that stands under 'image'",
}


def imported(source: Source, parse: Parse) -> Draft:
    """The draft. Raises CannotImport, and ValueError where ``parse`` does."""
    file = mapping(parse(source.text))
    services = mapping(file.get("services"))
    names, sheets, taken, others = Names(), [], [], {}
    values, lost = _values(source)
    variables = Variables(values, source.environ)
    for title in services:
        variables.begin()
        service = mapping(expanded(extended(title, services), variables))
        if why := _no_model(service):
            others[title] = str(service)
            lost.append(left(f"service '{title}'", why))
            continue
        sheet = Sheet(names.fresh(title))
        _fill(sheet, service, source, variables)
        _tell_volumes(sheet, service, mapping(file.get("volumes")))
        _tell_variables(sheet, variables)
        sheets.append(sheet)
        taken.append(title)
    if not sheets:
        raise CannotImport(
            "no service in it runs a model server that swapd knows (llama.cpp, vLLM, SGLang, TGI, ...)"
        )
    head = (
        f"Made by `swapd import` from {PurePath(source.name).name}. Each service stays a container, which swapd",
        "starts and stops by itself: take it down with `docker compose down` before swapd serves.",
    )
    lost += _asking(others, taken)
    return Draft(models=tuple(sheet.drafted() for sheet in sheets), head=head, left=tuple(lost))


def _asking(others: Mapping[str, str], taken: Sequence[str]) -> list[str]:
    """Services that ask a model by the name that it had among them."""
    pairs = [(other, title) for other, said in others.items() for title in taken if f"//{title}:" in said]
    return [
        told(f"service '{o}' asks http://{t}:..., which is gone then: give it swapd's address")
        for o, t in pairs[:MOST_TOLD]
    ]


def _values(source: Source) -> tuple[dict[str, str], list[str]]:
    """What ``.env`` sets, and what could not be read there."""
    try:
        found = source.beside(".env") if source.beside is not None else None
        values, wrong = assigned(found or "", source.environ)
    except CannotImport as error:
        return {}, [left(".env", f"cannot read it: {error}")]
    return values, [left(f".env: line {held(map(str, wrong))}", "it is no assignment")] if wrong else []


def _tell_variables(sheet: Sheet, variables: Variables) -> None:
    """Where values came from, and which are still to be given."""
    for names, where in ((variables.filed, ".env"), (variables.inherited, "the environment of this import")):
        if names:
            what = held(f"${name}" for name in sorted(names))
            sheet.remark(f"{what}: filled in from {where}; what changes there changes nothing here")
    used = {n: why for n, why in variables.unset.items() if f"${{env.{n}}}" in sheet.keys["command"]}
    for name in [name for name, why in used.items() if why]:
        sheet.remark(f"${name} must be set, the file says: {used[name]}")
    if used:
        what = held(f"${name}" for name in sorted(used))
        sheet.remark(
            f"{what}: compose took it from .env or its environment, swapd from its own: or write the value"
        )


def _no_model(service: dict[str, Any]) -> str:
    image, command = text(service.get("image")), _words(service.get("command"))
    if "extends" in service and not image:
        return "it extends a service of another file: add its image here, then try again"
    if of_image(image) is None and of_command([*_words(service.get("entrypoint")), *command]) is None:
        return f"its image '{image}' is no model server that swapd knows; leave it to compose"
    return (
        "" if image else "it names no image, only how to build one: build and tag it, then name it under 'image'"
    )


def _words(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text(each) for each in value]
    if len(text(value)) > MOST_TEXT:
        raise CannotImport(f"a command in it grows beyond {MOST_TEXT} characters")
    try:
        return shlex.split(text(value).replace("\\\n", " "))
    except ValueError as error:
        raise CannotImport(f"a command in it cannot be split into words: {error}") from None


def _fill(sheet: Sheet, service: dict[str, Any], source: Source, variables: Variables) -> None:
    run = container.Run(["docker"], image=text(service.get("image")))
    for key, value in service.items():
        run.options += _given(options(key, value), variables)
        if key in _WHY:
            sheet.leave(f"'{key}'", _WHY[key])
        elif key not in _READ and not known(key):
            sheet.leave(f"'{key}'", "nothing here says the same")
    run.options += [("-v", mount(each, source.folder)) for each in listed(service.get("volumes"))]
    run.options = [*env_files(service.get("env_file"), source, sheet), *run.options]
    for key in mapping(service.get("deploy")):
        if key not in ("resources", "restart_policy"):
            sheet.leave(f"deploy: {key}", "swapd runs one container of a model")
    run.options += gpus(service)
    entry = _words(service.get("entrypoint"))
    if entry:
        run.options.append(("--entrypoint", entry[0]))
    run.command = [*entry[1:], *_words(service.get("command"))]
    fill(sheet, Line(run.words()))
    _stop(sheet, text(service.get("stop_grace_period")))


def _stop(sheet: Sheet, grace: str) -> None:
    """How long it may take to end; docker would kill it after ten seconds."""
    parts = _DURATION.fullmatch(grace)
    length = sum(int(n or 0) * unit for n, unit in zip(parts.groups(), (3600, 60, 1), strict=True)) if parts else 0
    if length:
        sheet.keys["stop_grace"] = seconds(length)
        sheet.keys["stop"] = sheet.keys["stop"].replace(" stop ", f" stop -t {length} ", 1)
    elif grace:
        sheet.leave(f"stop_grace_period: {grace}", "write it as 'stop_grace', such as 90s")


def _given(found: Iterator[Option], variables: Variables) -> Iterator[Option]:
    """A variable of the container that has only a name has the value that compose knows."""
    for name, said in found:
        bare = said if name == "-e" and said is not None and "=" not in said else ""
        value = variables.value(bare) if bare in variables.file else None
        yield name, said if value is None else f"{bare}={value}"


def _tell_volumes(sheet: Sheet, service: dict[str, Any], volumes: Mapping[str, Any]) -> None:
    named = [text(v) for v in listed(service.get("volumes")) if text(v).partition(":")[0] in volumes]
    if named:
        name = named[0].partition(":")[0]
        sheet.remark(f"volume '{name}': compose put its project's name before that; see `docker volume ls`")
