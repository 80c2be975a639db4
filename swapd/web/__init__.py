"""The front hall: HTTP, both sides of the glass.

Finds out which model a request means, asks the gate for a lease, relays bytes, words the errors. Decides
nothing about engines. May import ``core`` and ``tasks``; the desk comes in as a ``Gate``.

A client's ``connection`` begins in the express ``lane``, which reads plain requests and hands the whole
connection to aiohttp at the first that is not (``bridge`` leads from there). Either way ``relay`` asks the
engine over a ``wire`` of ``upstream``'s pools, and the answer's body runs from that socket to the client's,
while a ``framing`` tells where it ends.
"""
