"""Every way of saying no over HTTP: one table from reason to status, code and type; one body for each dialect."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from aiohttp import web

from swapd.core.refusal import Reason, Refusal
from swapd.web import surface


class Form(NamedTuple):
    """How a reason looks to a client."""

    status: int
    code: str
    type: str


INVALID, ENGINE, OVERLOADED = "invalid_request_error", "engine_error", "overloaded_error"

BY_REASON: dict[Reason, Form] = {
    Reason.UNKNOWN_MODEL: Form(404, "model_not_found", INVALID),
    Reason.NEVER_FITS: Form(503, "insufficient_memory", ENGINE),
    Reason.QUEUE_FULL: Form(503, "queue_full", OVERLOADED),
    Reason.QUEUE_TIMEOUT: Form(504, "queue_timeout", ENGINE),
    Reason.START_FAILED: Form(502, "engine_start_failed", ENGINE),
    Reason.START_TIMEOUT: Form(504, "engine_timeout", ENGINE),
    Reason.ENGINE_DIED: Form(502, "engine_died", ENGINE),
    Reason.UNAVAILABLE: Form(503, "engine_unavailable", ENGINE),
    Reason.MODEL_REMOVED: Form(503, "model_removed", OVERLOADED),
    Reason.MODEL_UNLOADED: Form(503, "model_unloaded", OVERLOADED),
    Reason.CLOSING: Form(503, "shutting_down", OVERLOADED),
}

BAD_REQUEST = Form(400, "bad_request", INVALID)
MODEL_REQUIRED = Form(400, "model_required", INVALID)
INVALID_KEY = Form(401, "invalid_api_key", "authentication_error")
NOT_PERMITTED = Form(403, "not_permitted", "permission_error")
NOT_THEIRS = Form(403, "model_not_permitted", "permission_error")
NOT_FOUND = Form(404, "not_found", INVALID)
WRONG_METHOD = Form(405, "method_not_allowed", INVALID)
RATE_LIMITED = Form(429, "rate_limit_exceeded", "rate_limit_error")
TOO_LARGE = Form(413, "request_too_large", INVALID)
NO_STORAGE = Form(507, "insufficient_storage", "server_error")
UNSUPPORTED = Form(501, "unsupported_capability", INVALID)
INTERNAL = Form(500, "internal_error", "server_error")
FIRST_BYTE_LATE = Form(504, "engine_timeout", ENGINE)


class Problem(Exception):
    """A request that ends in an error response; raised anywhere in this room, answered in one place."""

    def __init__(
        self,
        form: Form,
        message: str,
        *,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        about: str = "",
    ) -> None:
        """``about``: for the access log, what of the request was wrong, such as its Host."""
        super().__init__(message)
        self.form = form
        self.about = about
        # What it quotes of a header may hold bytes that are no text (surrogateescape), which JSON cannot have.
        self.message = message if message.isascii() else message.encode(errors="replace").decode()
        self.param = param
        self.headers = headers or {}


def of_refusal(refusal: Refusal) -> Problem:
    """The refusal as a Problem, with Retry-After where a retry can help."""
    form = BY_REASON[refusal.reason]
    headers: dict[str, str] = {}
    if refusal.reason is Reason.NEVER_FITS:
        headers["x-should-retry"] = "false"  # the OpenAI SDKs obey it
    elif form.status == 503:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after or 1.0))
    param = "model" if refusal.reason is Reason.UNKNOWN_MODEL else None
    return Problem(form, str(refusal), param=param, headers=headers)


def bug() -> Problem:
    """What a client is told of an error of ours."""
    return Problem(INTERNAL, "cannot answer: a bug in swapd; its log has the details")


_CODE: web.ResponseKey[tuple[str, str]] = web.ResponseKey("code")
Dialect = Callable[[Problem], bytes]
"""The body of an error as the clients of one API read it."""
_ANTHROPIC = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Status -> type, as docs.anthropic.com/en/api/errors has them; any other is an invalid_request_error."""
_NO_MODEL = re.compile(r"^cannot find model '(.*?)'(?=[:;]|$)", re.DOTALL)


def dialect_of(path: str) -> Dialect:
    """That of the API which the path belongs to; OpenAI's where it is nobody's."""
    if path.startswith(surface.SWAP):
        return llama_swap
    if path.startswith(surface.OLLAMA):
        return ollama
    return anthropic if surface.is_anthropic(path) else openai


def anthropic(problem: Problem) -> bytes:
    """The body in Anthropic's shape."""
    kind = _ANTHROPIC.get(problem.form.status, INVALID)
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": problem.message}})


def ollama(problem: Problem) -> bytes:
    """The body in Ollama's shape, a text. Its clients look for its own words where there is no such model."""
    return msgspec.json.encode({"error": _NO_MODEL.sub(r"model '\1' not found", problem.message)})


def openai(problem: Problem) -> bytes:
    """The body in OpenAI's shape."""
    return msgspec.json.encode({"error": _error(problem)})


def llama_swap(problem: Problem) -> bytes:
    """The same in llama-swap's, which says besides who is speaking."""
    return msgspec.json.encode({"src": "swapd", "error": _error(problem)})


def _error(problem: Problem) -> dict[str, str | None]:
    return {
        "message": problem.message,
        "type": problem.form.type,
        "param": problem.param,
        "code": problem.form.code,
    }


def respond(problem: Problem, dialect: Dialect = openai) -> web.Response:
    """The whole response. The rest of a body that is too large is not waited for."""
    response = web.Response(
        body=dialect(problem),
        status=problem.form.status,
        content_type="application/json",
        headers=problem.headers,
    )
    response[_CODE] = problem.form.code, problem.about
    if problem.form is TOO_LARGE:
        response.force_close()
    return response


def told_of(response: web.StreamResponse) -> tuple[str, str]:
    """The error's code and what it is about, of a response that ``respond`` has made; empty for all others."""
    told: tuple[str, str] = response.get(_CODE, ("", ""))
    return told


def sse_event(problem: Problem, dialect: Dialect = openai) -> bytes:
    """The same as an event inside a stream whose status 200 is long out."""
    return as_event(dialect(problem), dialect)


def as_event(body: bytes, dialect: Dialect) -> bytes:
    """The body of an error, an engine's own as well, as such an event; a line, where the streams are of lines."""
    if dialect is ollama:
        return body + b"\n"
    name = b"event: error\n" if dialect is anthropic else b""  # its clients go by the names of events
    return b"%s%s\n" % (name, b"".join(b"data: %s\n" % line for line in body.splitlines() or [b""]))
