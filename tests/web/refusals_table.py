"""DESIGN 5's table of errors, and what brings each of them about.

Anthropic's types are those of docs.anthropic.com/en/api/errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.settings import ClientKey, Window
from swapd.core.spec import Catalog, Launch, Retry, Service, Spec, Terms, Timeouts
from swapd.dispatch import Lease
from swapd.web import errors
from swapd.web.errors import BY_REASON
from tests.web.conftest import Hall
from tests.web.faces import ABILITY, BODY, DISK, LEASE, Row

KEY = b"X-Api-Key: secret-of-ann"


def catalog() -> Catalog:
    """Models by what they can, if that is known; for those that begin with ``late`` nobody waits long."""
    chats, ranks = frozenset(("chat", "completions", "embeddings")), frozenset(("rerank",))
    specs = []
    for name, can in (("any", None), ("chats", chats), ("ranks", ranks)):
        for late in ("", "late-"):
            bounds = Timeouts(connect=2.0, first_byte=0.03 if late else 5.0, idle=5.0)
            service = Service(timeouts=bounds, retry=Retry(0, 0), abilities=can)
            specs.append(Spec(late + name, Launch(("x",)), Terms(service=service)))
    return Catalog({spec.name: spec for spec in specs})


def clients(**limits: Any) -> Callable[[Hall], None]:
    """The config has a client, with these limits."""

    def given(front: Hall) -> None:
        only = ClientKey("ann", "secret-of-ann", **limits)
        front.config.settings = replace(front.config.settings, clients=(only,))

    return given


def small(front: Hall) -> None:
    """Bodies may hardly be any."""
    front.limit(body=9, upload=9)


def no_disk(front: Hall) -> None:
    """The state folder is none."""
    front.config.settings = replace(front.config.settings, state_dir=__file__)


def broken(front: Hall) -> None:
    """By a bug of ours."""

    @asynccontextmanager
    async def lease(model: str, client: str = "") -> AsyncIterator[Lease]:
        await front.gate.open.wait()
        raise ZeroDivisionError("a bug, on purpose")
        yield

    front.gate.lease = lease  # type: ignore[method-assign]


def unknown(front: Hall) -> None:
    """As the desk says it."""
    front.gate.refusal = Refusal(Reason.UNKNOWN_MODEL, "anny", detail=catalog().near("anny"))


def refused(
    reason: Reason, anthropic: str, *words: str, headers: dict[str, str] | None = None, **more: Any
) -> Row:
    """A ticket that is turned away."""

    def given(front: Hall) -> None:
        front.gate.refusal = Refusal(reason, "any", **more)

    form, always = BY_REASON[reason], {"Retry-After": "", "x-should-retry": ""}
    return Row(
        *(reason.name, form, anthropic, ("cannot ", "'any'", *words), always | (headers or {})),
        needs=(LEASE,),
        given=given,
        late=True,
    )


ON = {"Retry-After": "[1-9][0-9]*"}
DIED = Exit(code=1, log=("loading", "out of memory"), hint="fewer layers")
RATES = {f"x-ratelimit-{what}-requests": value for what, value in [("limit", "1"), ("remaining", "0")]}
ROWS = (
    Row("bad JSON", errors.BAD_REQUEST, errors.INVALID, ("cannot read",), text=b"{", needs=(BODY,)),
    Row(
        *("no model named", errors.MODEL_REQUIRED, errors.INVALID, ("model",)),
        model=None,
        needs=(BODY,),
        param="model",
    ),
    Row(
        *("no key", errors.INVALID_KEY, "authentication_error", ("cannot let you in",)),
        headers={"WWW-Authenticate": "Bearer"},
        given=clients(),
    ),
    Row(
        *("a wrong key", errors.INVALID_KEY, "authentication_error", ("cannot let you in",)),
        headers={"WWW-Authenticate": "Bearer"},
        lines=(b"Authorization: Bearer secret-of-bob",),
        given=clients(),
    ),
    Row(
        *("a key without that model", errors.NOT_THEIRS, "permission_error", ("'ann' has no right",)),
        lines=(KEY,),
        given=clients(models=("else",)),
        param="model",
    ),
    Row(
        "a Host that is not ours",
        errors.NOT_PERMITTED,
        "permission_error",
        ("evil.example",),
        host=b"evil.example",
    ),
    Row(
        *("a foreign web page", errors.NOT_PERMITTED, "permission_error", ("cors.origins",)),
        lines=(b"Origin: https://evil.example",),
    ),
    Row(
        *("a page of no known letters", errors.NOT_PERMITTED, "permission_error", ("cors.origins",)),
        lines=(b"Origin: https://\xe9",),
    ),
    Row(
        *(
            "unknown model",
            BY_REASON[Reason.UNKNOWN_MODEL],
            "not_found_error",
            ("model 'anny'", "did you mean 'any'?"),
        ),
        model="anny",
        given=unknown,
        param="model",
    ),
    Row(
        "unknown path",
        errors.NOT_FOUND,
        "not_found_error",
        ("cannot find /", "/nowhere"),
        beyond="/nowhere",
        needs=(LEASE,),
    ),
    Row(
        "wrong method",
        errors.WRONG_METHOD,
        errors.INVALID,
        ("cannot PUT", "use"),
        {"Allow": "(GET|HEAD|POST)(, (HEAD|POST))*"},
        method="PUT",
    ),
    Row(
        *("body too large", errors.TOO_LARGE, "request_too_large", ("than 9 bytes", "(limits.")),
        headers={"Connection": "close"},
        needs=(BODY,),
        given=small,
    ),
    Row(
        *("rate limit", errors.RATE_LIMITED, "rate_limit_error", ("'ann' has had 1 request within 1 min",)),
        headers={**RATES, "Retry-After": "60|59", "x-ratelimit-reset-requests": "1m0s|59s"},
        lines=(KEY,),
        needs=(LEASE,),
        given=clients(requests=Window(1, 60.0)),
    ),
    Row(
        *("cannot do this", errors.UNSUPPORTED, errors.INVALID, ("cannot do ", "with model 'ranks'", "; ")),
        model="ranks",
        needs=(ABILITY,),
        param="model",
    ),
    refused(
        *(Reason.START_FAILED, "api_error", "exited with code 1", "out of memory", "Hint: fewer layers"), exit=DIED
    ),
    Row(
        *("engine died", BY_REASON[Reason.ENGINE_DIED], "api_error", ("the engine of model '{kind}' died",)),
        needs=(LEASE,),
        dies=True,
        late=True,
    ),
    refused(Reason.ENGINE_DIED, "api_error", "died", detail="died"),
    refused(
        *(Reason.UNAVAILABLE, "overloaded_error", "since noon"),
        headers={"Retry-After": "8"},
        retry_after=7.2,
        detail="failed since noon",
    ),
    refused(Reason.QUEUE_FULL, "overloaded_error", "256 wait", headers=ON, detail="256 wait"),
    refused(Reason.CLOSING, "overloaded_error", "shutting down", headers=ON),
    refused(Reason.MODEL_REMOVED, "overloaded_error", "removed from the config", headers=ON),
    refused(Reason.MODEL_UNLOADED, "overloaded_error", "ask again to load it", headers=ON),
    refused(
        *(Reason.NEVER_FITS, "overloaded_error", "it needs 2, the budget has 1"),
        headers={"x-should-retry": "false"},
        detail="it needs 2, the budget has 1",
    ),
    refused(Reason.START_TIMEOUT, "timeout_error", "(start_timeout)", detail="10m"),
    refused(Reason.QUEUE_TIMEOUT, "timeout_error", "waited 10m", "(scheduling.wait)", detail="10m"),
    Row(
        *("first byte too late", errors.FIRST_BYTE_LATE, "timeout_error", ("cannot get an answer for model",)),
        model="late-{kind}",
        needs=(LEASE, BODY),
        waits=True,
        late=True,
    ),
    Row(
        *("no room on the disk", errors.NO_STORAGE, "", ("state_dir",), {"x-should-retry": "false"}),
        needs=(DISK,),
        given=no_disk,
    ),
    Row(
        *("a bug", errors.INTERNAL, "api_error", ("cannot answer: a bug in swapd",)),
        needs=(LEASE,),
        given=broken,
        late=True,
    ),
)
