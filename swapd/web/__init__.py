"""The front hall: HTTP, both sides of the glass.

Finds out which model a request means, asks the gate for a lease, relays bytes, words the errors. Decides
nothing about engines. May import ``core`` and ``tasks``; the desk comes in as a ``Gate``.

A client's ``connection`` begins in the ``lane`` of ``express`` requests, the plain ones, and is handed to
aiohttp whole at the first that is not (``app`` has the routes, those of engines are data in ``surface``;
``bridge`` leads from there). Either way the ``guard`` knows whose key it is, and the ``quota`` that goes with it.
``openai`` reads what was sent; ``inference`` finds the model that was ``asked`` for (``repair`` mends half
characters) and edits; ``turns`` holds an engine for it; and ``relay`` asks that over a ``wire`` of ``upstream``'s
pools. The answer's body runs from that socket to its ``client``'s, while a ``framing`` tells where it ends, and
its ``usage`` is read from what passed last. Where the client speaks an API that the engine does not, the answer
is ``told`` through a translation instead. What is refused is worded by ``errors``, in the caller's dialect.
``models`` lists what there is, an entry of ``entries`` each, with what was ``learned`` of engines that were up;
``router`` is llama.cpp's router face. The operator's doors are ``admin``, ``status`` and ``events``.
"""
