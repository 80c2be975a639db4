"""The library: YAML in; a Catalog and Settings out, or every problem with its place.

The walk is visible, in ``load``: ``read`` (YAML with line numbers) -> ``expand`` (macros, environment) ->
``sources`` (what is included) -> ``drafts`` (each model's keys, by ``schema``) -> ``build`` (rules, names,
abilities, budget) -> ``keys`` (whom to let in) -> ``checks`` (the machine). ``changes`` compares two
catalogs, ``watch`` says when to read again.

A second reading works out only what changed: ``pieces`` parses what has another text, ``past`` keeps the
answers whose facts are ``alike``; and beside a living daemon it goes on at a ``pace`` that no stream notices.
What of its text may be ``shown`` is all but its secrets.

The other way round ``author`` writes a draft as YAML (``wording``), or into a file that people have written
(``inserted``); ``told`` has every key in words, which ``jsonschema`` shows to editors. May import ``core`` and
``tasks``.
"""

from swapd.config.budget import completed
from swapd.config.changes import Changes, changes
from swapd.config.find import ConfigNotFound, find_config
from swapd.config.load import Loaded, load
from swapd.config.problems import Problem
from swapd.config.shown import secrets, shown

__all__ = [
    "Changes",
    "ConfigNotFound",
    "Loaded",
    "Problem",
    "changes",
    "completed",
    "find_config",
    "load",
    "secrets",
    "shown",
]
