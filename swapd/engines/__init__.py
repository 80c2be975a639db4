"""The engine room: every process, signal, probe and port is here, and nothing that decides.

``supervisor.Supervisor.perform(command)`` never blocks and never raises; what became of an order comes back
as an event through ``post``. May import ``core`` and ``tasks``.
"""
