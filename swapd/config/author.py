"""YAML as a person would write it: a draft as a whole file, or put into one that people have commented.

What is added is put between the lines that are there, and no other character of the file is touched; then the
result is read again, and nothing but what was added may differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import yaml

from swapd.config.inserted import CannotAdd, with_item, with_models
from swapd.config.wording import comment, entry, model, plain
from swapd.core.draft import Draft
from swapd.core.text import printable

__all__ = ["CannotAdd", "added", "common", "included", "written"]


def written(draft: Draft) -> str:
    """A whole file. ``${…}`` in its values is left as it is: it means what it means in a config."""
    blocks = [comment(draft.head), *_keys(draft.top, draft.remarks)]
    if draft.models:
        models = "\n".join(model(each) for each in draft.models)
        blocks.append(f"{comment(draft.remarks.get('models', ()))}models:\n{models}")
    elif "include" not in draft.top:
        blocks.append("models: {}\n")
    return printable("\n".join(block for block in (*blocks, comment(draft.left)) if block))


def added(text: str, draft: Draft) -> str:
    """The text of a file, and in it the draft: each model below ``models``, further top-level keys at the end.

    A top-level key that has the same value already is not repeated. Raises CannotAdd for a name or a key that is
    there already, for a file that is no YAML, and for one that is written in no way that can be added to.
    """
    before = _data(text)
    known, missing = before.get("models") or {}, {k: v for k, v in draft.top.items() if k not in before}
    for key, value in draft.top.items():
        if key in before and before[key] != plain(value):
            raise CannotAdd(f"cannot add '{key}': the file says something else there; change it by hand")
    for each in draft.models:
        if each.name in known:
            raise CannotAdd(f"cannot add '{each.name}': the file has a model of that name; rename one of them")
    after = with_models(text, draft.models) if draft.models else text
    # models written as {…} have no place for comments
    homeless = [f"{each.name}: {line}" for each in draft.models for line in each.remarks if line[:60] not in after]
    blocks = [comment(draft.head), *_keys(missing, draft.remarks), comment((*homeless, *draft.left))]
    wanted = {**before, **plain(missing)}
    if draft.models:
        wanted["models"] = {**known, **{each.name: plain(each.keys) for each in draft.models}}
    parts = (_ended(after), *map(printable, blocks))
    return _proven("\n".join(part for part in parts if part), wanted)


def included(text: str, pattern: str) -> str:
    """The text of a file whose ``include`` names ``pattern`` too. Raises CannotAdd."""
    before = _data(text)
    if before.get("include") is None:
        return added(text, Draft(top={"include": [pattern]})) if "include" not in before else _no_place(pattern)
    named = before["include"] if isinstance(before["include"], list) else [before["include"]]
    return _proven(with_item(text, "include", pattern), {**before, "include": [*named, pattern]})


def common(text: str) -> dict[str, Any]:
    """What a file says for all of its models: ``macros`` and ``defaults``. Empty where YAML alone cannot tell."""
    with contextlib.suppress(CannotAdd):
        said = _data(text)
        return {key: said[key] for key in ("macros", "defaults") if said.get(key)}
    return {}


def _no_place(pattern: str) -> str:
    raise CannotAdd(f"cannot add to 'include', which is empty: write 'include: [{pattern}]' there")


def _keys(top: Mapping[str, Any], remarks: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Top-level keys; one with remarks begins a block of its own."""
    blocks = [""]
    for key, value in top.items():
        if told := comment(remarks.get(key, ())):
            blocks.append(told)
        blocks[-1] += entry(key, value)
    return blocks


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _data(text: str) -> dict[str, Any]:
    """What a file says. Raises CannotAdd."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CannotAdd(f"cannot add to a file that is no good YAML: {error}") from None
    if not isinstance(data, dict | None) or not isinstance((data or {}).get("models"), dict | None):
        raise CannotAdd("cannot add to a file that is no config: it has to be a mapping, with a mapping 'models'")
    return data or {}


def _proven(text: str, wanted: Mapping[str, Any]) -> str:
    with contextlib.suppress(CannotAdd):
        if _data(text) == wanted:
            return text
    raise CannotAdd("cannot add to this file as it is written: add it by hand")
