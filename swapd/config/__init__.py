"""The library: YAML in; a Catalog and Settings out, or every problem with its place.

The walk is visible: ``read`` (YAML with line numbers) -> ``expand`` (macros, environment) -> ``build``.
``changes`` compares two catalogs, ``watch`` says when to read again. May import ``core`` and ``tasks``.
"""
