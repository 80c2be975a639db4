"""A new catalog, or a need better known: what follows for engines, pins, wishes and those who wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from swapd.core import placement
from swapd.core.book import Book, Engine, Wish
from swapd.core.events import Found, Weighed
from swapd.core.moves import Moves
from swapd.core.refusal import Exit, Reason, Refusal
from swapd.core.spec import Bounds, Catalog, Spec, Terms


def never_fits(book: Book, spec: Spec) -> str | None:
    """``placement.never_fits``, kept until budgets or needs change."""
    if spec.name not in book.never:
        book.never[spec.name] = placement.never_fits(book, spec)
    return book.never[spec.name]


def broken(book: Book, spec: Spec) -> Refusal | None:
    """That its file is no model: nobody is evicted for what is sure to fail."""
    need = book.stock.need(spec.name, spec.launch)
    if need is None or not need.broken:
        return None
    again = "fetch it again; the next request after that finds it whole"
    return Refusal(Reason.START_FAILED, spec.name, Exit(reason=need.detail, hint=again))


def changed(m: Moves, catalog: Catalog, found: Iterable[Found] = ()) -> None:
    """The operator's config, or what the meters found for it. ``found``: engines that live already."""
    book = m.book
    old, book.catalog, book.suited, book.shrunk = book.catalog, catalog, False, True
    _forget_pins(book, old)
    _pin(book)
    for name, spec in catalog.models.items():
        before = old.models.get(name)
        _begin_anew(m, before, spec)
        engine = book.engines.get(name)
        if engine is not None and not engine.leaving:
            wished = before is not None and before.terms.stay == spec.terms.stay
            terms = replace(spec.terms, stay=engine.spec.terms.stay) if wished else spec.terms
            engine.spec = Spec(name, engine.spec.launch, terms)
            _reckon(book, engine)
    for name in [name for name in book.queue.models() if name not in catalog.models]:
        m.refuse_all(name, Reason.MODEL_REMOVED)
    book.rested &= catalog.models.keys()
    for one in found:
        _adopt(m, one)
    _refit(m)


def _begin_anew(m: Moves, before: Spec | None, spec: Spec) -> None:
    """What failed before is no word on a new launch; nor is a rest, where the operator says how it is to end."""
    relaunched = before is None or before.launch != spec.launch
    if not relaunched and (before is None or before.terms.restart is spec.terms.restart):
        return
    engine = m.book.engines.get(spec.name)
    rested = engine is not None and engine.resting
    m.forgive(spec.name)
    if rested:
        m.come_back(spec.name)
    if relaunched and spec.terms.stay.preload and not m.book.to_pin(spec):
        m.book.wishes[spec.name] = (Wish.PRELOAD, m.now)


def _adopt(m: Moves, found: Found) -> None:
    """An engine of an earlier life. ``settle`` stops, in its own way, one that the config does not want (so)."""
    spec = m.book.catalog.models.get(found.run.model)
    if spec is not None and spec.launch == found.launch:
        _reckon(m.book, m.adopt(spec, found))
        return
    terms = Terms(bounds=Bounds(stop=found.grace), stop=found.stop)
    m.adopt(Spec(found.run.model, found.launch, terms), found)


def weighed(m: Moves, event: Weighed) -> None:
    """What a model takes is known, or known better: of a living engine too."""
    book = m.book
    spec = book.catalog.models.get(event.model)
    if spec is None or spec.launch != event.launch:
        return
    book.stock.needs[event.model] = (event.launch, event.need)
    book.placed.pop(event.model, None)
    history = book.recall(event.model)
    if event.need.load is not None and not history.own:
        history.load, history.measured = max(event.need.load, 0.001), True
    engine = book.engines.get(event.model)
    if engine is not None and not engine.leaving and engine.spec.launch == event.launch:
        _reckon(book, engine)
    if book.to_pin(spec):
        _refit(m)  # it keeps more or less from all the others
    else:
        _refit_one(m, spec)


def pin(m: Moves, model: str, pinned: bool) -> None:
    """The operator's word on whether a model is pinned. One that could never be up beside the others is not."""
    book = m.book
    found = book.catalog.resolve(model)
    if found is None or book.closing:
        return
    spec, engine = found[0], book.engines.get(found[0].name)
    if pinned:
        book.rested.discard(spec.name)
        m.forgive(spec.name)
        if never_fits(book, spec) is not None:
            return
    elif engine is not None and not engine.leases:
        engine.idle_since = m.now  # it was not to go by its ttl; that begins now
    book.pinning[spec.name] = pinned
    _refit(m)


def keep(book: Book, engine: Engine, ttl: float | None) -> None:
    """A client's word on the ttl of this run; it holds until the operator's changes. A pinned one stays anyway."""
    terms = engine.spec.terms
    if not book.to_pin(engine.spec):
        engine.spec = replace(engine.spec, terms=replace(terms, stay=replace(terms.stay, ttl=ttl)))


def _reckon(book: Book, engine: Engine) -> None:
    """What a living engine takes, as it is known today. More than there is would make no room: it has it."""
    found = placement.like(placement.ways(book, engine.spec) or (), engine.way.devices)
    if found is not None:
        engine.way = found


def _refit(m: Moves) -> None:
    """Costs or budgets changed: what can never fit is refused, and wishes for it are dropped."""
    book = m.book
    book.never.clear()
    _pin(book)
    models = book.catalog.models
    book.untold = {name for name, spec in models.items() if not placement.is_told(book, spec)}
    book.least = _least(book)
    for name in book.queue.models():
        _refuse_what_never_fits(m, models[name])
    for name in [n for n, (wish, _) in book.wishes.items() if _pointless(book, wish, n)]:
        del book.wishes[name]


def _refit_one(m: Moves, spec: Spec) -> None:
    """The same where only one model's cost changed, so that a thousand of them can be told one after the other."""
    book = m.book
    book.never.pop(spec.name, None)
    _refuse_what_never_fits(m, spec)
    wish = book.wishes.get(spec.name)
    if wish is not None and _pointless(book, wish[0], spec.name):
        del book.wishes[spec.name]
    if spec.name in book.untold and placement.is_told(book, spec):
        book.untold.discard(spec.name)
        book.least = _least(book) if not book.untold else book.least
    elif not book.untold:
        costs = [way.cost for way in placement.ways(book, spec) or ()]
        book.least = {n: min(amount, *(cost.get(n, 0) for cost in costs)) for n, amount in book.least.items()}


def _refuse_what_never_fits(m: Moves, spec: Spec) -> None:
    if (refusal := broken(m.book, spec)) is not None:
        for waiting in m.book.queue.of(spec.name):
            m.refuse(waiting.ticket, refusal)
    if m.book.queue.count(spec.name) and (why := never_fits(m.book, spec)):
        m.refuse_all(spec.name, Reason.NEVER_FITS, detail=why, retry_after=None)


def _pin(book: Book) -> None:
    """Which of the pinned models can ever fit."""
    book.placed.clear()
    book.pins = ()
    for spec in book.catalog.models.values():  # in the order of the config: each beside those before it
        if book.to_pin(spec) and broken(book, spec) is None and placement.never_fits(book, spec) is None:
            book.pins = (*book.pins, spec.name)
            book.placed.clear()
    book.placed.clear()  # what loads alone takes all but what the pinned ones keep


def _least(book: Book) -> dict[str, int]:
    """What even the most modest model takes; nothing, while any of them may yet turn out to take nothing."""
    if book.untold:
        return dict.fromkeys(book.catalog.budget, 0)
    costs = [way.cost for spec in book.catalog.models.values() for way in placement.ways(book, spec) or ()]
    return {name: min((cost.get(name, 0) for cost in costs), default=0) for name in book.catalog.budget}


def _pointless(book: Book, wish: Wish, name: str) -> bool:
    """Whether the catalog of today has no model, or no room, or no reason for this wish."""
    spec = book.catalog.models.get(name)
    if spec is None or broken(book, spec) is not None or never_fits(book, spec) is not None:
        return True
    return wish is Wish.PINNED and not book.to_pin(spec)


def _forget_pins(book: Book, old: Catalog) -> None:
    """The operator's word holds for what the config said when it was given."""
    for name in list(book.pinning):
        before, spec = old.models.get(name), book.catalog.models.get(name)
        if before is None or spec is None or before.terms.stay.pinned is not spec.terms.stay.pinned:
            del book.pinning[name]
