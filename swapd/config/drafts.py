"""Each model's keys, read with the defaults laid beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from swapd.config import shapes
from swapd.config.pace import paced
from swapd.config.past import Past, content
from swapd.config.problems import Place, Problems
from swapd.config.schema import DESCRIBED, OF_PROCESS, Defaults, Model
from swapd.config.tree import Entry, Map, Node, Scalar, kind
from swapd.config.walk import MODEL, Walk

_MERGED = ("env", "needs")


@dataclass(frozen=True, slots=True)
class Draft:
    """A model whose keys are read, but not yet checked against each other.

    ``given`` is the model's own mapping, ``tree`` the same with the defaults beneath; both know the place of
    each key. ``keys`` holds the values, with the schema's default where one was wrong.
    """

    name: str
    named: Place
    given: Map
    tree: Map
    keys: Model
    sound: bool = False
    """Every rule was found kept by a reading before this one."""

    @property
    def raw(self) -> bool:
        """It is a command line, not described by ``path`` and the keys of a llama-server."""
        return "command" in self.tree.entries

    @property
    def says_kind(self) -> bool:
        """The operator said what kind of engine it is."""
        return "engine" in self.tree.entries

    @property
    def remote(self) -> bool:
        """Somebody else runs its engine, at a ``url``."""
        return "url" in self.tree.entries

    def path(self, key: str = "") -> str:
        """The key's path, for problems."""
        return f"models.{self.name}.{key}" if key else f"models.{self.name}"

    def place(self, key: str) -> Place:
        """Where the key's value stands; the model's name if it is not given."""
        entry = self.tree.entries.get(key)
        return self.named if entry is None else entry.value.place


def drafts(
    models: Mapping[str, Entry], defaults: Node | None, home: str, problems: Problems, past: Past
) -> list[Draft]:
    """Read all models. Problems of the defaults are told once, at their own place."""
    below = _defaults(defaults, home, problems)
    found = []
    for name, entry in paced(models.items()):
        if (given := _mapping(name, entry.value, problems)) is not None:
            before = past.draft(name)
            if before is not None and before.given is given and before.named == entry.key.place:
                found.append(before)
                continue
            tree = given if below is None else _laid_over(below, given)
            if before is not None and _says(given, before):
                found.append(Draft(name, entry.key.place, given, tree, before.keys, sound=True))
            else:
                keys = Walk(problems, home, name).section(Model, tree, f"models.{name}")
                found.append(Draft(name, entry.key.place, given, tree, keys))
    past.meet([draft if draft.sound else replace(draft, sound=True) for draft in found])
    return found


def _says(given: Map, before: Draft) -> bool:
    """Whether it is what was said before, in the same file (paths begin there)."""
    if given is before.given:
        return True
    return given.place.file == before.given.place.file and content(given) == content(before.given)


def _defaults(node: Node | None, home: str, problems: Problems) -> Map | None:
    if not isinstance(node, Map):
        Walk(problems, home).section(Defaults, node, "defaults")
        return None
    personal = shapes.keys_of(Model).keys() - shapes.keys_of(Defaults).keys()
    usable = Map(node.place)
    for name, entry in node.entries.items():
        if name in personal:
            problems.add(entry.key.place, f"defaults.{name}", "cannot be a default: give it in each model")
        else:
            usable.entries[name] = entry
    Walk(problems, home, MODEL).section(Defaults, usable, "defaults")
    return usable


def _mapping(name: str, given: Node, problems: Problems) -> Map | None:
    """A model's own keys; None if it has none."""
    if isinstance(given, Map):
        return given
    if not (isinstance(given, Scalar) and given.broken):
        message = f"must be a mapping with a 'path', a 'command' or a 'url', not {kind(given)}"
        problems.add(given.place, f"models.{name}", message)
    return None


def _laid_over(below: Map, given: Map) -> Map:
    """The model's keys win; ``env`` and ``needs`` merge; what has no effect on such a model is left out."""
    spared = DESCRIBED if "command" in given.entries else frozenset()
    if "url" in given.entries:
        spared = OF_PROCESS
    entries = {name: entry for name, entry in below.entries.items() if name not in spared}
    entries |= given.entries
    for name in _MERGED:
        lower, upper = below.get(name), given.get(name)
        if isinstance(lower, Map) and isinstance(upper, Map):
            both = Map(upper.place, lower.entries | upper.entries)
            entries[name] = Entry(given.entries[name].key, both)
    return Map(given.place, entries)
