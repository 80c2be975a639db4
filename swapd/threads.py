"""Blocking calls, each on a thread of its own that nobody has to wait for.

asyncio's own threads are joined at exit: one hung driver, or one file on a dead server, would keep us from going.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def run(call: Callable[[Unpack[Args]], T], *args: *Args) -> T:
    """What the call returns or raises. Whoever is cancelled meanwhile leaves the thread to end, or to hang."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def work() -> None:
        try:
            settle = partial(answer.set_result, call(*args))
        except BaseException as error:
            settle = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any longer
            loop.call_soon_threadsafe(lambda: None if answer.done() else settle())

    threading.Thread(target=work, daemon=True).start()
    return await answer
