"""What an answer cost, as its engine says: OpenAI's and Anthropic's ``usage``, or llama-server's ``timings``.

They stand at the end of an answer or of a stream; of llama-server's embeddings, at the beginning. A stream of
Anthropic's tells the prompt's at its beginning and the answer's at its end. What was read anew of a prompt and
what was cached make up the whole; Anthropic and ``timings`` tell them apart, OpenAI tells the sum.
"""

from __future__ import annotations

import re

from swapd.core.events import Usage

_COUNTS = (
    # where they stand, tokens of the prompt, tokens of the answer
    (b'"usage"', rb'"(?:prompt|(?:cache_(?:read|creation)_)?input)_tokens"', rb'"(?:completion|output)_tokens"'),
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
                asked = _counts(prompt, text, at) or _counts(prompt, first, first.find(place))
                written = _counts(completion, text, at)
                return Usage(first_byte, sum(asked) if asked else None, written[0] if written else None)
    return Usage(first_byte)


def _counts(what: re.Pattern[bytes], text: bytes, at: int) -> list[int]:
    return [int(count) for count in what.findall(text[at : at + _REACH])] if at >= 0 else []
