"""A preset file of llama-server's router mode (``--models-preset``): a section a model, ``[*]`` for all.

The grammar and the keys that only a preset has are those of llama.cpp's "INI Presets" and its server's README.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePath

from swapd.core.draft import Draft
from swapd.importers import engine, options
from swapd.importers.flags import DROPPED
from swapd.importers.quoting import literal
from swapd.importers.sheet import CannotImport, Names, Sheet, Source, held, left, named, seconds, whole

Section = dict[str, str]
"""Option, by its one name -> what was written."""
_COMMENT = re.compile(r"[#;].*")
_BEFORE = ""
_SECTION = re.compile(r"\[([^\]\n]+)\]")
_OWN = ("load-on-startup", "stop-timeout", "dedup-cache-models", "alias", "sleep-idle-seconds")
_DROPPED = frozenset(DROPPED) - {"alias"}
_ROUTER = {"models-dir", "models-preset", "models-max", "models-autoload"}
_HEAD = (
    "The router of llama-server kept the models used last, four unless --models-max said else; swapd keeps as "
    "many as fit the memory. For a count besides, add `budget: {engines: 4, reserve: 1GiB}`."
)


def imported(source: Source) -> Draft:
    """The draft. Raises CannotImport."""
    sections = read(source.text)
    before = [name for name in sections.pop(_BEFORE) if name != "version"]
    general = sections.pop("*", {})
    names, sheets, lost = Names(), [], []
    if before:
        lost.append(left(held(before), "it stands before the first [section]: no model has it"))
    lost += [left(f"the first [{each}]", "of two, llama-server takes the last") for each in _twice(source.text)]
    for title, own in sections.items():
        sheet = Sheet(names.fresh(title))
        if sheet.name != title:
            sheet.remark(f"its name was '{title}': here a name is one word")
        if why := _fill(sheet, title, {**general, **own}):
            lost.append(left(f"[{title}]", why))
        else:
            sheets.append(sheet)
    if not sheets:
        raise CannotImport(
            "no section in it names a model: each needs 'model = FILE.gguf' or 'hf-repo = ORG/REPO'"
        )
    _settle_aliases(sheets)
    head = (f"Made by `swapd import` from {PurePath(source.name).name}, a preset file of llama-server.", _HEAD)
    top = {"defaults": {"ttl": "never"}}
    remarks = {"defaults": ("The router stopped no model for being idle.",)}
    models = tuple(sheet.drafted() for sheet in sheets)
    return Draft(models=models, head=head, top=top, remarks=remarks, left=tuple(lost))


def read(text: str) -> dict[str, Section]:
    """Sections by name, in their order; what stands before the first is under an empty name.

    As llama-server reads them: a ``#`` or ``;`` begins a comment wherever it stands, in a value too, and of two
    sections of one name the last counts. Raises CannotImport with the line that is no INI.
    """
    found: dict[str, Section] = {}
    current: Section = found.setdefault(_BEFORE, {})
    for n, line in enumerate(text.splitlines(), 1):
        bare = _COMMENT.sub("", line).strip()
        if not bare:
            continue
        header = _SECTION.fullmatch(bare)
        if header is not None:
            current = found[header[1].strip()] = {}
        elif "=" in bare and not bare.startswith(("=", "[")):
            key, _, value = bare.partition("=")
            name, said = options.told(options.option(key), value.strip())
            current[name] = said
        else:
            raise CannotImport(f"line {n} is neither a [section] nor 'key = value': mend it, then try again")
    return found


def _twice(text: str) -> list[str]:
    bare = [_COMMENT.sub("", line).strip() for line in text.splitlines()]
    titles = Counter(found[1].strip() for line in bare if (found := _SECTION.fullmatch(line)) is not None)
    return [title for title, count in titles.items() if count > 1]


def _fill(sheet: Sheet, title: str, said: Section) -> str:
    """Why the section is no model; empty where it became one."""
    if not {"model", "hf-repo", "model-url", "docker-repo"} & said.keys():
        if "/" not in title:
            return "it names no model file: the router looked for one of that name in --models-dir; add 'model = '"
        said = {"hf-repo": title, **said}
    _own_keys(sheet, said)
    words = ["llama-server"]
    for name, value in said.items():
        if name in _ROUTER:
            sheet.leave(name, "it is about the router itself")
        elif name in _DROPPED:
            words += [f"--{name}", value] if name == "api-key" else []
        elif name not in _OWN and name != "version":
            words += options.words(name, literal(value))
    if not engine.fill(sheet, engine.Line(words)):
        return "its command cannot be told where to listen"
    return ""


def _own_keys(sheet: Sheet, said: Section) -> None:
    """What only a preset has, and what swapd has a key for."""
    if options.is_on(said.get("load-on-startup", "")):
        sheet.keys["preload"] = True
    if (stop := whole(said.get("stop-timeout", ""))) is not None:
        sheet.keys["stop_grace"] = f"{stop}s"
    if idle := whole(said.get("sleep-idle-seconds", "")):
        sheet.keys["ttl"] = seconds(idle)
        sheet.notes["ttl"] = "it slept then, and kept its process; swapd stops it, which frees all of its memory"
    if "dedup-cache-models" in said:
        sheet.leave("dedup-cache-models", "swapd lists what the config names, and no cache")
    if aliases := [named(name) for name in said.get("alias", "").split(",") if name.strip()]:
        sheet.keys["aliases"] = aliases


def _settle_aliases(sheets: list[Sheet]) -> None:
    """Each name once: a model's own wins, then the first."""
    taken = {sheet.name for sheet in sheets}
    for sheet in sheets:
        kept = []
        for name in sheet.keys.pop("aliases", []):
            if name in taken:
                if name != sheet.name:
                    sheet.leave(f"alias '{name}'", "another model has that name")
            else:
                taken.add(name)
                kept.append(name)
        if kept:
            sheet.keys["aliases"] = kept
