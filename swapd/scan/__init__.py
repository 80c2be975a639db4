"""The scout: finds model files and tells what they are.

``search`` is the way through: ``walk`` goes through folders (``places`` knows the caches of other tools,
``ollama`` its store), ``kinds`` tells from a header what a file is good for, ``mates`` brings parts and
projectors together with their models, ``naming`` finds names. ``drafting`` words what was found for a
config. Headers are read by whoever is handed in. May import ``core`` and ``tasks``.
"""

from swapd.scan.found import Left, Model, Scan
from swapd.scan.search import Search

__all__ = ["Left", "Model", "Scan", "Search"]
