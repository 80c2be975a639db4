"""The front hall: aiohttp, both sides of the glass.

Finds out which model a request means, asks the gate for a lease, relays bytes, words the errors. Decides
nothing about engines. May import ``core`` and ``tasks``; the desk comes in as a ``Gate``.
"""
