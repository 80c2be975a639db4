"""What an answer cost, as its engine says: OpenAI's and Anthropic's ``usage``, or llama-server's ``timings``.

They stand at the end of an answer or of a stream; of llama-server's embeddings, at the beginning.
"""

from __future__ import annotations

import re

from swapd.core.events import Usage

_COUNTS = (
    # where they stand, tokens of the prompt, tokens of the answer
    (b'"usage"', rb'"(?:prompt|input)_tokens"', rb'"(?:completion|output)_tokens"'),
    (b'"timings"', rb'"(?:prompt|cache)_n"', rb'"predicted_n"'),
)
_READERS = tuple(
    (place, re.compile(prompt + rb"\s*:\s*(\d{1,12})"), re.compile(completion + rb"\s*:\s*(\d{1,12})"))
    for place, prompt, completion in _COUNTS
)
_REACH = 512
"""Bytes behind the key within which the counts stand."""


def read(first: bytes, last: bytes, first_byte: float | None) -> Usage:
    """``first`` and ``last``: what came at the beginning and at the end; ``first_byte``: passed on.

    Inside a string of JSON the keys' quotes would be escaped; so what a model talks about is never taken for it.
    """
    for text in (last, first):
        for place, prompt, completion in _READERS:
            if (at := text.rfind(place)) >= 0:
                near = text[at : at + _REACH]
                # of timings, what was read anew and what was cached make up the prompt
                read_ = [int(count) for count in prompt.findall(near)]
                written = [int(count) for count in completion.findall(near)]
                return Usage(first_byte, sum(read_) if read_ else None, written[0] if written else None)
    return Usage(first_byte)
