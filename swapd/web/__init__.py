"""The front hall: HTTP, both sides of the glass.

Finds out which model a request means, asks the gate for a lease, relays bytes, words the errors. Decides
nothing about engines. May import ``core`` and ``tasks``; the desk comes in as a ``Gate``.

A client's ``connection`` begins in the ``lane`` of ``express`` requests, the plain ones, and is handed to
aiohttp whole at the first that is not (``app`` has the routes, those of engines are data in ``surface``;
``bridge`` leads from there, ``handler`` words what cannot be read). Either way it meets ``manners``: the ``visit``
has an id and a sender (``proxies``), ``hosts`` has the names we are called, ``cors`` the web pages that may
ask, and ``requests_log`` gets a row in the end. The ``guard`` knows whose key it is, and the ``quota`` that goes
with it.
``openai`` reads what was sent; ``inference`` finds the model that was ``asked`` for (``repair`` mends half
characters) and edits; ``turns`` holds an engine for it; and ``relay`` asks that over a ``wire`` of ``upstream``'s
pools (``dial`` opens one). The answer's body runs from that socket to its ``client``'s, while a ``framing``
tells where it ends, and its ``usage`` is read from what passed last. Where the client speaks an API that the
engine does not, the answer
is ``told`` through a translation instead, made from the ``completion`` that engines give: ``messages_words`` asks
Anthropic's way (``messages_parts`` has its blocks), ``messages_answer`` answers. Ollama's API is all translated:
``ollama`` has its doors, ``ollama_words`` what is asked there (``ollama_messages``, ``ollama_options``),
``ollama_answers`` and ``ollama_vectors`` what is answered, ``ollama_lists`` what is listed. What is refused is worded by
``errors``, in the caller's dialect.
A form with files comes in by ``upload``: a ``form`` tells where the model's name stands in it while it passes into a
``spool``, and from there it goes out piece by piece (``flow``).
A name that is a pool's is ``pooled``: the best of its models answers. Websockets under ``/upstream`` run through
a ``tunnel``. ``models`` lists what there is, an entry of ``entries`` or ``pool_entries`` each, with what was
``learned`` of engines that were up; ``router`` is llama.cpp's router face. The operator's doors are ``admin``,
``status`` and ``events``.
"""
