"""The stopwatch: asks any OpenAI-compatible server, and tells how long it took.

Begin with ``course``: it asks the sides, in turn where there are several, and ``swaps`` does so for two models
that change places. One request is asked by ``asking``, which makes an ``Outcome`` (``outcome``) of whatever the
server does; what is sent is of ``question``, who is asked of ``side``, what comes back in a stream is read by
``stream``. ``tally`` counts outcomes, in ``samples`` that do not grow for ever; ``ratio`` says how sure a
difference is; ``pulse`` whether the bench itself was out of breath; ``result`` makes the JSON of it all, and
``report`` (with ``plots``, ``scale`` and ``style``) a page from that.

All times are seconds of the monotonic clock, measured where the answer arrives.
"""
