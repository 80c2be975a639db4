"""The engine room: every process, signal, probe and port is here, and nothing that decides.

``supervisor.Supervisor.perform(command)`` never blocks and never raises; what became of an order comes back as
an event through ``post``.

Each order goes to the ``workshop`` (``furnished`` puts it all together), which makes a ``run`` by a ``recipe``,
on the ``ground`` that all stand on: ``resolve`` fills in the words, with a place of ``places`` (one of
``ports``, or of ``sockets`` in their ``folders``); ``wrap`` has the kernel treat it as it should; ``process``
starts or takes over what a ``leader`` holds by its pidfd and an ``identity`` puts beyond doubt, signals and
sweeps its ``tree`` (by its ``cgroup`` where there is one), and hears its end and its ``logs``: what it writes
goes to an ``output``, a file that is read at its ``tail`` by ``following`` it, told by ``inotify``, and kept in
bounds by ``rotation``. ``probe`` asks whether it is ready, a ``look`` at a time, and is hurried by its
``news``; ``listener`` says whether it is it who answers, ``stall`` whether its load gets on, ``pulse`` whether
it lives once it is ready, ``vanishing`` whether its socket is still there, ``hints`` why it ended (tables in
``hints_``; ``oom``: whether the kernel killed it). What somebody else runs gets a ``remote`` run, without a
process.

Engines outlive the daemon. ``house`` says whose they are, by a lock; ``register`` keeps the ``record`` of them;
``survivors`` are found by that and by their marks, and ``inherited`` are the children of a daemon that executed
itself. The ``reaper``, a program of its own, ends those that nobody comes back for (and keeps their
``logfiles`` in bounds).

``ask`` runs a tool of the machine to its end. The modules in ``llama_`` are a program of their own,
``swapd-llama-server``. May import ``core``, ``tasks`` and ``threads``.
"""
