"""An engine for forms with files, as OpenAI's API reference describes it ("Audio", "Images", November 2026).

No engine that transcribes or edits images runs where the tests do. This one reads the forms with aiohttp's reader,
which is not the one that swapd uses, and says what it got: the text is the model and the file's digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

MODELS = {"alpha", "Org/Real"}


@dataclass
class Got:
    """A form: the values of its fields, and the digests of its files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


async def answer(request: web.Request) -> web.StreamResponse:
    """Any of the four paths."""
    got = await read(request)
    wanted = "file" if "/audio/" in request.path else "image"
    if got.fields.get("model") not in MODELS or wanted not in got.files:
        return web.json_response({"error": {"message": f"you sent {got}", "code": "fake"}}, status=400)
    said = f"{got.fields['model']} {got.files[wanted]}"
    if wanted == "image":
        picture = {"b64_json": base64.b64encode(said.encode()).decode()}
        return web.json_response({"created": 1, "data": [picture]})
    if got.fields.get("stream") == "true":
        return await stream(request, said)
    if got.fields.get("response_format") == "text":
        return web.Response(text=said)
    return web.json_response({"text": said})


async def read(request: web.Request) -> Got:
    """The form, none of whose files is held."""
    got = Got()
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        name = part.name or ""
        if part.filename is None:
            got.fields[name] = await part.text()
            continue
        digest = hashlib.sha256()
        while piece := await part.read_chunk(1 << 16):
            digest.update(piece)
        got.files[name.removesuffix("[]")] = digest.hexdigest()
    return got


async def stream(request: web.Request, said: str) -> web.StreamResponse:
    """The events of a transcription, word by word."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    events = [{"type": "transcript.text.delta", "delta": word} for word in said.split()]
    for event in [*events, {"type": "transcript.text.done", "text": said}]:
        await response.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
    return response
