"""What the daemon is asked for, each on a thread of its own; and what came of it, in a line."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from swapd import threads
from swapd.cli import explain
from swapd.cli.client import Admin, reading
from swapd.cli.console import Console
from swapd.cli.failure import Failed
from swapd.cli.target import Target
from swapd.cli.top.mirror import MODEL
from swapd.cli.top.screen import Level, Note, Verb, Wish
from swapd.cli.top.table import device, last_swap
from swapd.cli.words import age_of, seconds, several
from swapd.tasks import spawn

GOOD, BAD = 8.0, 30.0
"""Seconds for which it is shown what came of a wish."""
ING = {Verb.LOAD: "loading", Verb.UNLOAD: "unloading", Verb.PIN: "pinning", Verb.UNPIN: "unpinning"}


class Deeds:
    """One at a time for each model. ``tell`` gets a note when something begins and when it is over."""

    def __init__(self, admin: Admin, target: Target, tell: Callable[[Note], None]) -> None:
        self._admin = admin
        self._target = target
        self._tell = tell
        self._doing: dict[str, Verb] = {}

    def begin(self, wish: Wish) -> None:
        """Load, unload, pin or unpin."""
        if (doing := self._doing.get(wish.model)) is not None:
            text = f"cannot {wish.verb.value} {wish.model}: still {ING[doing]} it"
            self._tell(Note(text, Level.TOLD, time.monotonic() + GOOD))
            return
        self._doing[wish.model] = wish.verb
        self._tell(Note(f"{ING[wish.verb]} {wish.model} …"))
        spawn(self._do(wish), f"{wish.verb.value} {wish.model}")

    async def why(self, model: str, about: MODEL | None, now: datetime) -> list[str]:
        """What there is to say about the model, in lines; why it cannot be told, if it cannot."""
        try:
            found = await threads.run(self._admin.explain, model)
            with reading(self._target):
                return [*_told(found), *(_more(about, now) if about is not None else ())]
        except Failed as error:
            return [f"cannot explain {model}: {error.message}"]

    async def _do(self, wish: Wish) -> None:
        began = time.monotonic()
        try:
            answer = await threads.run(self._ask, wish)
            with reading(self._target):
                note = Note(_outcome(wish, answer, time.monotonic() - began), Level.DONE, time.monotonic() + GOOD)
        except Failed as error:
            reason = error.message.partition("\n")[0]
            text = reason if reason.startswith("cannot ") else f"cannot {wish.verb.value} {wish.model}: {reason}"
            note = Note(text, Level.WRONG, time.monotonic() + BAD)
        finally:
            del self._doing[wish.model]
        self._tell(note)

    def _ask(self, wish: Wish) -> dict[str, Any]:
        if wish.verb is Verb.LOAD:
            return self._admin.load(wish.model)
        if wish.verb is Verb.UNLOAD:
            return self._admin.unload(wish.model)
        return self._admin.pin(wish.model, pinned=wish.verb is Verb.PIN)


def _outcome(wish: Wish, answer: dict[str, Any], took: float) -> str:
    if wish.verb in (Verb.PIN, Verb.UNPIN):
        return f"{answer['model']} is {'pinned' if wish.verb is Verb.PIN else 'not pinned any more'}"
    return f"{answer['model']} is {answer['state']} after {seconds(took)}"


def _told(found: dict[str, Any]) -> list[str]:
    """As ``swapd explain`` prints it."""
    page = io.StringIO()
    explain.show(Console(page, terminal=False), found)
    return page.getvalue().splitlines()


def _more(model: MODEL, now: datetime) -> Iterator[str]:
    """What the table has no room for."""
    yield ""
    if model.get("aliases"):
        yield f"  aliases: {', '.join(map(str, model['aliases']))}"
    if model.get("engine"):
        yield f"  engine: {model['engine']}"
    if where := model.get("url") or model.get("endpoint"):
        yield f"  at: {where}"
    if model.get("pid"):
        yield f"  process: {model['pid']}, run {model['run']}"
    if model["since"]:
        yield f"  {model['state']} for {age_of(model['since'], now)}"
    if device(model):
        yield f"  computes on: {device(model)}"
    yield f"  leases: {model['leases']} of {model.get('slots') or 'any number'}"
    yield f"  pinned: {'yes' if model.get('pinned') else 'no'}, priority {model['priority']}"
    tokens = model.get("tokens") or {}
    yield (
        f"  answered: {several(model.get('requests') or 0, 'request')}, "
        f"{tokens.get('prompt') or 0} tokens in, {tokens.get('completion') or 0} out"
    )
    if swap := last_swap(model):
        yield f"  last swap: {swap}"
    if failure := model["last_failure"]:
        yield f"  last failure: {failure['reason']}"
        yield from (f"    {line}" for line in failure.get("log") or ())
