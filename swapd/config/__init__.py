"""The library: YAML in; a Catalog and Settings out, or every problem with its place.

The walk is visible: ``read`` (YAML with line numbers) -> ``expand`` (macros, environment) -> ``build``.
``changes`` compares two catalogs, ``watch`` says when to read again. May import ``core`` and ``tasks``.
"""

from swapd.config.budget import completed
from swapd.config.changes import Changes, changes
from swapd.config.find import ConfigNotFound, find_config
from swapd.config.load import Loaded, load
from swapd.config.problems import Problem

__all__ = [
    "Changes",
    "ConfigNotFound",
    "Loaded",
    "Problem",
    "changes",
    "completed",
    "find_config",
    "load",
]
