"""True engines on Unix sockets."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from swapd.config import llamacpp, schema
from swapd.core.commands import Cause, Spawn, Terminate, Why
from swapd.core.engine import RunId
from swapd.core.events import EngineExited, EngineReady, Event
from swapd.core.spec import Launch
from swapd.engines.furnished import furnished
from tests.processes import until

pytestmark = pytest.mark.real
RUN, WHY = RunId("alpha", 1), Why(Cause.ASKED)


async def test_a_described_model_listens_on_a_socket(engine_binaries, tiny_models, tmp_path):
    events: list[Event] = []
    environ = {**os.environ, "RUNTIME_DIRECTORY": str(tmp_path)}
    supervisor = furnished(events.append, find_binary=lambda: None, environ=environ)
    keys = schema.Model(binary=engine_binaries[0], socket="unix", threads=1, context=512)
    words = llamacpp.argv("alpha", str(tiny_models / "alpha.gguf"), keys)
    assert not {"--port", "${port}"} & set(words)
    supervisor.perform(Spawn(RUN, Launch((*engine_binaries, *words[1:])), WHY))
    where = (await until(lambda: [e for e in events if isinstance(e, EngineReady)]))[0].endpoint
    reader, writer = await asyncio.open_unix_connection(where.path)
    writer.write(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200") and b'"alpha"' in answer
    writer.close()
    supervisor.perform(Terminate(RUN, (), WHY))
    end = (await until(lambda: [e for e in events if isinstance(e, EngineExited)]))[0].exit
    assert end.code == 0
    assert not Path(where.path).exists()
