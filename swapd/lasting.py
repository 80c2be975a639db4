"""What is made at the start, to last: modules, the config. Python's collector of circles is spared it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """Whatever lives at the end of the block is taken to stay. For the start alone.

    While a lot is made that lives on, the collector would look through all of it again and again, and later, with
    every full collection, hold up all streams for as long as that takes. What is not needed any more is freed all
    the same once nothing refers to it; only circles would be missed. So nothing is frozen once clients are served:
    each time would keep the circles of whatever was under way just then, for ever.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
