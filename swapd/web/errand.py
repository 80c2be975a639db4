"""What a client wants of a model, on its way to whichever engine is held for it.

It is edited only then: a pool's request may go to any of its models, and while one waits its config may change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from swapd.core.kinds import KINDS
from swapd.core.spec import Alias, Service, Spec
from swapd.web import asked, repair
from swapd.web.errors import NOT_PERMITTED, Problem
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
    """Untouched. Raises Problem (403) for a model that has become one of a remote's while it was waited for."""
    check_lent(spec)
    return out


def check_lent(spec: Spec) -> None:
    """A remote's key is for what models are asked, not for all that its owner may do. Raises Problem (403)."""
    if spec.remote and spec.launch.key:
        why = "the config's 'api_key' would open all of it; ask the model itself"
        raise Problem(NOT_PERMITTED, f"cannot lead to the remote of model '{spec.name}': {why}")


@dataclass(slots=True)
class Errand:
    """Delivers an answer. ``held``: told of the engine beforehand."""

    out: Request
    send: Callable[[Lease, Request], Awaitable[None]]
    alias: Alias | None
    able: frozenset[str] | None
    held: Callable[[Lease], None] | None = None
    aim: Aim = edited

    @property
    def ability(self) -> str:
        """What the engine must be able to do."""
        return self.out.ability

    def __call__(self, lease: Lease) -> Awaitable[None]:
        """Raises EngineBroke and FirstByteLate before the first byte, and Problem."""
        if self.held is not None:
            self.held(lease)
        if self.alias is None and self.aim is edited and _as_is(lease.spec.terms.service, self.out):
            return self.send(lease, self.out)  # nearly always
        return self._aimed(lease)

    async def _aimed(self, lease: Lease) -> None:
        await self.send(lease, await self.aim(lease.spec, self.alias, self.out))


@dataclass(slots=True)
class Presence:
    """Needs an engine to be there, and asks it nothing."""

    then: Callable[[Lease], Awaitable[None]]
    ability = ""
    able = None

    def __call__(self, lease: Lease) -> Awaitable[None]:
        """Do what is to be done while it is held."""
        return self.then(lease)


def _as_is(service: Service, out: Request) -> bool:
    """Whether a model that is asked by its own name wants nothing changed."""
    changes = service.edits or service.upstream_model is not None or KINDS[service.kind].elsewhere
    return not (changes or (out.repaired and service.strict_json))
