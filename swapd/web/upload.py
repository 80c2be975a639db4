"""The doors for forms with files. A field of the form names the model, before the files or behind them.

So the form is spooled whole, and only then is an engine asked for: a slow sender holds none, and a request that
has to be sent again is still there.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from aiohttp import web

from swapd.web import asked, surface
from swapd.web.client import Client
from swapd.web.errors import BAD_REQUEST, Problem
from swapd.web.form import Form
from swapd.web.headers import upstream_lines
from swapd.web.inference import Inference
from swapd.web.limits import check_length, incoming, invited
from swapd.web.openai import query_of
from swapd.web.spool import PIECE, Part, Spool, Spooled
from swapd.web.upstream import Request

FOLDER = "uploads"
"""Below the state folder."""


class Uploads:
    """The handlers."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def routes(self) -> list[web.RouteDef]:
        """The route table of this module."""
        return [web.post(path, self.by_form, expect_handler=self.expect) for path in surface.UPLOADED]

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """``Expect: 100-continue``: nobody is invited to send gigabytes that will be refused."""
        return invited(request, self._begun)

    async def by_form(self, request: web.Request) -> web.StreamResponse:
        """A POST whose form names the model."""
        client, form = self._begun(request)
        with self._inference.counted(client):  # before it takes room on the disk
            return await self._answered(request, client, form)

    async def _answered(self, request: web.Request, client: Client, form: Form) -> web.StreamResponse:
        spool = Spool(Path(self._inference.config.settings.state_dir, FOLDER))
        try:
            await self._take(request, form, spool)
            found = _found(form)
            name = self._inference.name(found, request, client)
            client.turn.streams = bool(found.stream)
            body = Spooled(spool, [range(spool.size)], partial(_renamed, form, spool.size))
            lines, path = upstream_lines(request.raw_headers), surface.full(request.path)
            ability = surface.ABILITIES[path]
            out = Request("POST", path + query_of(request), lines, None, ability=ability, upload=body)
            errand = self._inference.errand(client, name, out, streams=client.turn.streams)
            return await self._inference.through(client, name, errand)
        finally:
            spool.close()

    def _begun(self, request: web.Request) -> tuple[Client, Form]:
        """What can be told before a byte of the body has come. Raises Problem (400, 401, 413)."""
        client = self._inference.client(request)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem(BAD_REQUEST, "cannot read the form: it is compressed; send it without Content-Encoding")
        check_length(request, self._limit(), "upload")
        return client, Form(request.headers.get("Content-Type", ""))

    def _limit(self) -> int:
        return self._inference.config.settings.limits.upload

    async def _take(self, request: web.Request, form: Form, spool: Spool) -> None:
        """All of the form into the spool, and past the parser. Raises Problem (400, 413, 507)."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in incoming(request, self._limit(), "upload"):
            chunks.append(chunk)
            size += len(chunk)
            if size >= PIECE:
                await asyncio.to_thread(_keep, chunks, form, spool)
                chunks, size = [], 0
        await asyncio.to_thread(_keep, chunks, form, spool)
        form.finish()
        await asyncio.to_thread(spool.finish)


def _renamed(form: Form, size: int, model: bytes) -> list[Part]:
    """The form as it came, but for its field with the model's name; that is added where it was left out."""
    field = form.fields.get("model")
    if field is not None:
        return [range(field.start), model, range(field.end, size)]
    first = b'--%s\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n'
    return [first % (form.boundary, model), range(size)]


def _keep(chunks: list[bytes], form: Form, spool: Spool) -> None:
    for chunk in chunks:
        form.feed(chunk)
        spool.add(chunk)


def _found(form: Form) -> asked.Peek:
    """What a JSON body would say in two keys."""
    model, stream = form.fields.get("model"), form.fields.get("stream")
    return asked.Peek(
        model.text if model is not None else None, stream is not None and stream.text.lower() in ("true", "1")
    )
