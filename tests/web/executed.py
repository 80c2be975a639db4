"""A front door and nothing else, which executes itself anew at each SIGUSR2: ``executed LOOP ENGINE FOLDER``.

Says ``listening PORT`` once it does; ``s.sock`` in FOLDER leads in too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvloop

from swapd import handover
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import EngineReady, Ticket
from swapd.core.settings import Address, Settings
from swapd.core.spec import Catalog, Launch, Spec, Terms
from swapd.dispatch import Lease
from swapd.doors import open_sockets
from swapd.web.app import create_app
from swapd.web.front_door import FrontDoor
from swapd.web.upstream import Upstream

ALPHA = Spec("alpha", Launch(("x",)), Terms())
RUN = RunId("alpha", 1)
BOUND = 0.25


@dataclass
class Config:
    catalog = Catalog({"alpha": ALPHA}, {})
    settings = Settings(hosts=("x",))


class Gate:
    """Grants at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    @asynccontextmanager
    async def lease(self, model: str, client: str = "") -> AsyncIterator[Lease]:
        yield Lease(Ticket(1), RUN, self._endpoint, ALPHA, 0.0, 0.0)


async def serve(engine: int, folder: str) -> None:
    endpoint, upstream, config = Endpoint("127.0.0.1", engine), Upstream(), Config()
    upstream.hear(EngineReady(RUN, endpoint), ())
    anything: Any = None
    app = create_app(Gate(endpoint), config, anything, upstream, lambda *_: "")  # type: ignore[arg-type]
    door = FrontDoor(app, config, 1 << 10)  # type: ignore[arg-type]
    wished = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, wished.set)
    given = handover.take(os.environ)
    if given is None:
        sockets = open_sockets([Address("127.0.0.1", 0), Address(path=f"{folder}/s.sock")])
        await door.open(sockets)
    else:
        sockets = given.sockets()
        await door.open(sockets, given.connections)
    print("listening", sockets[0].getsockname()[1], flush=True)
    await wished.wait()
    door.hold()
    if not await door.quiet(BOUND):
        await door.cut()
    idle = door.handover()
    handover.give(
        handover.Handover(os.getpid(), tuple(sock.fileno() for sock in sockets), tuple(idle)), os.environ
    )
    os.execv(sys.executable, [sys.executable, "-m", "tests.web.executed", *sys.argv[1:]])


if __name__ == "__main__":
    make = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(serve(int(sys.argv[2]), sys.argv[3]))
