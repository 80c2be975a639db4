"""The front hall: HTTP, both sides of the glass.

Finds out which model a request means, asks the gate for a lease, relays bytes, words the errors. Decides nothing
about engines. May import ``core`` and ``tasks``; the desk comes in as a ``Gate``.

A client's ``connection`` comes in from the ``doorstep`` by the ``front_door``. It begins in the ``lane`` of
``express`` requests, the plain ones, and is given to aiohttp's ``handler`` whole at the first that is not (``app``
has the routes, those of engines are data in ``surface``; ``bridge`` leads from there). Either way its ``visit`` is
taken down, by the house's ``manners`` (``hosts``, ``cors``, ``proxies``) and for the ``requests_log``; the
``guard`` knows whose key it is, and the ``quota`` that goes with it. By ``holding`` all of them for a moment, the
hall can be handed to a successor.

``openai`` reads what was sent. ``inference`` makes an ``errand`` of it: for the model that was ``asked`` for
(``repair`` mends half characters), which has the ``ability``, or for one of a pool's (``pooled``). ``turns`` holds
an engine for it, while ``keepalive`` comforts who waits for a stream; ``relay`` asks that engine over a ``wire``
of ``upstream``'s pools, which ``dial`` fills. The answer's body runs from that socket to its ``client``'s
(``flow`` says how they wait for each other), while a ``framing`` tells where it ends, and its ``usage`` is read
from what passed last. ``waits`` knows for how long a byte has been owed; ``doubts`` looks into engines that fail
again and again. What is refused is worded by ``errors``, in the caller's dialect.

Where the client speaks an API that the engine does not, the answer is ``told`` through a ``translation``, as a
``translated`` stream in ``rechunked`` pieces: ``anthropic`` and ``ollama`` are rooms of their own behind this one,
and both make their answers of a ``completion``. A form with files comes in by ``upload``: a ``form`` tells where
the model's name stands in it while it passes into a ``spool``, from where a ``carrier`` takes it to the engine
piece by piece. A websocket runs through a ``tunnel``, where its ``frames`` are told apart.

``models`` lists what there is, an entry of ``entries`` (or ``pool_entries``) each, with what was ``learned`` of
engines that were up; ``router`` is llama.cpp's router face, and ``llama_swap`` has the doors that tools of that
name poll. The operator's doors are ``admin``, ``past`` with the ``status`` and what was before, ``live`` with
what changes (each ``live_reader`` takes of what is ``live_shown`` what it has not got yet; ``live_stamps`` are
its clock), ``events``, what is ``metered``, and, for what stays and what the config says, the ``desk``; ``auth``
knows the operator by the key, whose ``tries`` it counts, or by a ``session`` that is not ``ended``, which begins
at the ``session_door`` of the ``dashboard``. The files of that lie in ``ui``.
"""
