"""What a client wants of a model, on its way to whichever engine is held for it.

It is edited only then: a pool's request may go to any of its models, and while one waits its config may change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from swapd.core.kinds import KINDS
from swapd.core.spec import Alias, Spec
from swapd.web import asked, repair
from swapd.web.gate import Lease
from swapd.web.limits import off_loop
from swapd.web.upstream import Request

Aim = Callable[[Spec, Alias | None, Request], Awaitable[Request]]
"""What the engine of a model is sent for a request that came by its name, or an alias. Raises Problem (400)."""


async def edited(spec: Spec, alias: Alias | None, out: Request) -> Request:
    """As the model and its alias want: its body edited, its path that of the engine's kind."""
    service = spec.terms.service
    if out.upload is not None and service.upstream_model is not None:
        out = out._replace(upload=out.upload.named(service.upstream_model))
    elif out.body is not None:
        if out.repaired and service.strict_json:
            raise repair.refusal(alias.name if alias else spec.name, out.repaired)
        edits = [edit for edit in (service.edits, alias.edits if alias else None) if edit]
        if edits or service.upstream_model is not None:  # else it stays untouched, to the byte
            out = out._replace(body=await off_loop(asked.edited, out.body, edits, service.upstream_model))
    if (kind := KINDS[service.kind]).elsewhere:
        out = out._replace(target=kind.at(out.target))
    return out


async def as_it_is(spec: Spec, alias: Alias | None, out: Request) -> Request:
    """Untouched."""
    return out


@dataclass(slots=True)
class Errand:
    """Delivers an answer. ``able``: of a pool, the models that can. ``held``: told of the engine beforehand."""

    out: Request
    send: Callable[[Lease, Request], Awaitable[None]]
    alias: Alias | None
    able: frozenset[str] | None
    held: Callable[[Lease], None] | None = None
    aim: Aim = edited

    async def __call__(self, lease: Lease) -> None:
        """Raises EngineBroke and FirstByteLate before the first byte, and Problem."""
        if self.held is not None:
            self.held(lease)
        await self.send(lease, await self.aim(lease.spec, self.alias, self.out))
