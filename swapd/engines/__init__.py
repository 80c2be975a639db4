"""The engine room: every process, signal, probe and port is here, and nothing that decides.

``supervisor.Supervisor.perform(command)`` never blocks and never raises; what became of an order comes back as
an event through ``post``.

It makes a ``run`` of each order: ``resolve`` fills in the words, with a place of ``places`` (one of ``ports``,
or of ``sockets`` in their ``folders``); ``process`` starts, signals and sweeps its ``tree``, and hears its end
and its ``logs``. ``probe`` asks whether it is ready, a ``look`` at a time, and is hurried by its ``news``;
``listener`` says whether it is it who answers, ``stall`` whether its load gets on, ``vanishing`` whether its
socket is still there, ``hints`` why it ended. What somebody else runs gets a ``remote`` run, without a process.
The modules in ``llama_`` are a program of their own, ``swapd-llama-server``. May import ``core`` and ``tasks``.
"""
