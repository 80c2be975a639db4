"""Names that clients may ask for: each means one thing, across all files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from swapd.config import schema
from swapd.config.drafts import Draft
from swapd.config.pace import paced
from swapd.config.problems import Place, Problems, did_you_mean
from swapd.config.tree import Map, Scalar, Seq
from swapd.core.spec import Alias, Edits


def aliases(
    models: Sequence[Draft], made: Mapping[str, Mapping[str, Alias]], problems: Problems
) -> dict[str, Alias]:
    """All aliases by name; models keep their names, the first alias keeps its own. ``made``: by model."""
    owners = {draft.name: (draft, draft.named) for draft in models}
    found: dict[str, Alias] = {}
    for draft in paced(models):
        if not draft.sound:
            _check_names(draft, problems)
        for name, place in _given(draft):
            if (owner := owners.setdefault(name, (draft, place)))[1] is not place:
                message = f"'{name}' is already {_owned(name, *owner)}: choose another name"
                problems.add(place, draft.path(f"aliases.{name}"), message)
            else:
                found[name] = made[draft.name].get(name) or Alias(name, draft.name)
    return found


def _owned(name: str, owner: Draft, place: Place) -> str:
    what = "the name of the model" if name == owner.name else "an alias of"
    return f"{what} '{owner.name}' at {place}"


def edits(keys: schema.Edits) -> Edits:
    """The section as the core knows it."""
    return Edits(keys.set, keys.default, keys.strip)


def check_default(top: Map, name: str | None, known: Collection[str], problems: Problems) -> None:
    """``default_model`` must be a model, an alias or a pool."""
    if name is not None and name not in known:
        message = f"there is no model, alias or pool '{name}'{did_you_mean(name, known)}"
        problems.add(top.place_of("default_model"), "default_model", message)


def _given(draft: Draft) -> Iterator[tuple[str, Place]]:
    match draft.tree.get("aliases"):
        case Map(entries=entries):
            yield from ((name, entry.key.place) for name, entry in entries.items())
        case Seq(items=items):
            yield from ((item.text, item.place) for item in items if isinstance(item, Scalar) and not item.broken)


def _check_names(draft: Draft, problems: Problems) -> None:
    check_name(draft.name, draft.named, draft.path(), problems)
    for name, place in _given(draft):
        check_name(name, place, draft.path(f"aliases.{name}"), problems)


def check_name(name: str, place: Place, key: str, problems: Problems) -> None:
    """Whether clients could write it, and logs show it."""
    if not name or "${" in name or " " in name or not name.isprintable():  # no other space is printable
        message = f"{name!r} cannot be a name: it is one word without spaces, control characters or '${{'"
        problems.add(place, key, message)
