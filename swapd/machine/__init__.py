"""The meters and the scales: what the machine has, what models say they need, what engines really take.

Decides nothing: ``scales``, its front, hears the desk, and posts what was found.

Before a model makes others go, ``presence`` looks whether its program and files are there at all. Before a run,
``weigher`` tells what each model needs, by ``weighing`` (what the ``ledger`` learned, else an ``estimate`` from
the header that ``gguf`` reads). While it lives, ``watch`` reads the ``meter`` (``ram``, ``nvidia``, ``drm``) at
the ``pulse`` of what goes on, and ``observed`` and ``reported`` say what the run really took. ``opening`` opens
the meters; ``saver`` saves the ledger. May import ``core`` and ``tasks``.
"""
