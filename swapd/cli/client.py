"""A small client of the admin API. Whatever goes wrong comes out as Failed, in words."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from swapd.cli.failure import Failed
from swapd.cli.target import Target

CONNECT, QUICK = 5.0, 30.0
"""Seconds to connect, and for answers that need no engine to start or stop."""
T = TypeVar("T")


class Admin:
    """One daemon's operator doors. ``bound`` is in seconds; None waits as long as the engines' own bounds."""

    def __init__(self, target: Target, http: aiohttp.ClientSession) -> None:
        self._target = target
        self._http = http
        self._base = "http://localhost" if is_unix(target) else target.url.rstrip("/")

    async def status(self) -> dict[str, Any]:
        """The status object (DESIGN 5)."""
        return await self._ask("GET", "/admin/status", QUICK)

    async def load(self, model: str, *, wait: bool = True) -> dict[str, Any]:
        """``{"model", "state"}``: the model's own name, and ``ready``, or its state if not waited for."""
        return await self._ask("POST", f"/admin/models/{_part(model)}/load?wait={int(wait)}", None)

    async def unload(self, model: str) -> dict[str, Any]:
        """``{"model", "state"}``, once its engine is gone."""
        return await self._ask("POST", f"/admin/models/{_part(model)}/unload", None)

    async def unload_all(self) -> dict[str, Any]:
        """``{"models", "state"}``, once every engine is gone."""
        return await self._ask("POST", "/admin/unload", None)

    async def reload(self) -> dict[str, Any]:
        """What changed, or ``{"problems": [...]}``."""
        return await self._ask("POST", "/admin/reload", QUICK, expected=(200, 422))

    async def logs(self, model: str, lines: int, *, follow: bool) -> AsyncIterator[str]:
        """The text of the model's log, in pieces as they come."""
        path = f"/admin/logs/{_part(model)}?tail={lines}&follow={int(follow)}"
        async with self._open("GET", path, None) as answer:
            if answer.status != 200:
                raise _refused(self._target, answer, await answer.read())
            async for piece in _texts(answer):
                yield piece

    async def explain(self, model: str) -> dict[str, Any]:
        """Why the model is, or is not, up."""
        return await self._ask("GET", f"/admin/explain/{_part(model)}", QUICK)

    async def events(self, tail: int, *, follow: bool) -> AsyncIterator[dict[str, Any]]:
        """What happens, one object each, the last ``tail`` before now first; to the daemon's end if followed."""
        async with self._open("GET", f"/admin/events?tail={tail}&follow={int(follow)}", None) as answer:
            if answer.status != 200:
                raise _refused(self._target, answer, await answer.read())
            rest = ""
            async for piece in _texts(answer):
                *lines, rest = (rest + piece).split("\n")
                for line in lines:
                    if line.startswith("data: "):  # our own daemon's: one line of data an event
                        yield msgspec.json.decode(line[6:], type=dict[str, Any])

    async def _ask(
        self, method: str, path: str, bound: float | None, expected: tuple[int, ...] = (200, 202)
    ) -> dict[str, Any]:
        async with self._open(method, path, bound) as answer:
            body = await answer.read()
            if answer.status not in expected or answer.content_type != "application/json":
                raise _refused(self._target, answer, body)
            return msgspec.json.decode(body, type=dict[str, Any])

    @asynccontextmanager
    async def _open(self, method: str, path: str, bound: float | None) -> AsyncIterator[aiohttp.ClientResponse]:
        url, timeout = self._base + path, aiohttp.ClientTimeout(total=bound, sock_connect=CONNECT)
        try:
            async with self._http.request(method, URL(url, encoded=True), timeout=timeout) as answer:
                yield answer
        except aiohttp.ClientConnectorError as error:
            raise _unreachable(self._target, _reason(error.os_error)) from None
        except TimeoutError:
            raise _unreachable(self._target, f"no answer within {bound or CONNECT:g} s") from None
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
            text = f"cannot hear swapd at {self._target.url} any longer: it closed the connection"
            raise Failed(text) from None
        except msgspec.DecodeError as error:
            raise Failed(f"cannot understand swapd at {self._target.url}: {error}") from None
        except ValueError:  # what aiohttp and yarl make of a bad URL
            text = f"cannot reach swapd at {self._target.url}: that is no URL; write it like http://host:port"
            raise Failed(text) from None
        except aiohttp.ClientError as error:
            raise Failed(f"cannot talk to swapd at {self._target.url}: {error}") from None


def talk(target: Target, what: Callable[[Admin], Awaitable[T]]) -> T:
    """Open a connection, do ``what`` with it, close it."""

    async def session() -> T:
        path = target.url.removeprefix("unix:").removeprefix("//")
        connector = aiohttp.UnixConnector(path) if is_unix(target) else aiohttp.TCPConnector()
        headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
        async with aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=None)
        ) as http:
            return await what(Admin(target, http))

    return asyncio.run(session())


def is_unix(target: Target) -> bool:
    """Whether the target is a Unix socket."""
    return target.url.startswith("unix:")


def message_of(body: bytes) -> str | None:
    """The message inside an error in OpenAI's shape, None if it is something else."""
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None


async def _texts(answer: aiohttp.ClientResponse) -> AsyncIterator[str]:
    # By chunks: a line may be longer than any buffer, and a character may be cut by the end of a chunk.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    async for chunk in answer.content.iter_any():
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _part(name: str) -> str:
    return quote(name, safe="")


def _refused(target: Target, answer: aiohttp.ClientResponse, body: bytes) -> Failed:
    message = message_of(body)
    if message is None:
        kind = f"HTTP {answer.status}, {answer.content_type}"
        return Failed(f"cannot understand the answer of {target.url} ({kind}): is this a swapd?")
    if answer.status == 401:
        return Failed(f"{message}\nGive it as $SWAPD_ADMIN_KEY, or point -c to the daemon's config.")
    return Failed(message)


def _unreachable(target: Target, reason: str) -> Failed:
    text = f"cannot reach swapd at {target.url}: {reason}; is it running? start it with `swapd serve`"
    return Failed(f"{text}\n({target.doubt})" if target.doubt else text)


def _reason(error: OSError) -> str:
    """``connection refused``: asyncio's own text repeats the address."""
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
