"""Blocking calls on threads that may be left behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from swapd import threads
from tests.processes import until


async def test_a_call_returns_or_raises_as_it_would_without_a_thread():
    assert await threads.run(divmod, 7, 4) == (1, 3)
    assert await threads.run(threading.current_thread) is not threading.main_thread()
    with pytest.raises(ZeroDivisionError):
        await threads.run(divmod, 7, 0)


async def test_a_cancelled_waiter_leaves_the_call_to_its_end():
    gate, over = threading.Event(), threading.Event()

    def call():
        gate.wait(5)
        over.set()
        raise RuntimeError("nobody hears this")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await threads.run(call)
    gate.set()
    await until(over.is_set)


HANGING = """
import asyncio, threading
from swapd import threads
async def main():
    try:
        async with asyncio.timeout(0.05):
            await threads.run(threading.Event().wait)
    except TimeoutError:
        print("gone")
asyncio.run(main())
"""


def test_a_call_that_hangs_for_ever_does_not_keep_the_program_from_its_end():
    ended = subprocess.run([sys.executable, "-c", HANGING], stdout=subprocess.PIPE, timeout=20, check=True)
    assert ended.stdout == b"gone\n"
