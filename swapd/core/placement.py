"""What fits where: a model's ways, and whether there is, or ever can be, room for one of them."""

from __future__ import annotations

from swapd.core.book import Book
from swapd.core.need import RAM, Need, Source, Way, is_memory, told
from swapd.core.spec import Cost, Launch, Spec

THREADS = "${threads}"


def fits(cost: Cost, room: Cost) -> bool:
    """Whether each amount is there. A resource the budget does not name is unbounded.

    Where nothing is needed nothing is missing, however overdrawn the room.
    """
    for name, amount in cost.items():  # noqa: SIM110  (asked of all candidates at every event: a generator is slow)
        if amount and amount > room.get(name, amount):
            return False
    return True


def lacking(cost: Cost, room: Cost) -> dict[str, int]:
    """How much of what is missing; empty where ``fits``."""
    return {n: a - room[n] for n, a in cost.items() if n in room and a > max(room[n], 0)}


def ways(book: Book, spec: Spec) -> tuple[Way, ...] | None:
    """All ways to place the model, the best first; None while its need is being told.

    The operator's ``needs`` win by name. A need that cannot be told takes all the memory that can be had: it loads
    alone, until it was seen once.
    """
    if book.catalog.models.get(spec.name) is not spec:
        return _ways(book, spec)
    found = book.placed.get(spec.name)
    if found is None and (found := _ways(book, spec)) and is_told(book, spec):
        book.placed[spec.name] = found
    return found


def _ways(book: Book, spec: Spec) -> tuple[Way, ...] | None:
    if spec.remote:
        return (Way({}),)  # it takes nothing here, and so it makes nobody go, and never has to
    given = spec.terms.cost
    memory = [name for name in book.catalog.budget if is_memory(name)]
    if not memory:
        return (Way(given),)
    need = book.stock.need(spec.name, spec.launch)
    if need is not None and need.ways:
        costs = [{**way.cost, **given} for way in need.ways]
        if all(_never(book, spec, cost) for cost in costs):
            costs = [{**_within(book, spec, need, way.cost), **given} for way in need.ways]
        return tuple(Way(cost, way.devices) for cost, way in zip(costs, need.ways, strict=True))
    if any(is_memory(name) for name in given):
        return (Way(given),)
    if need is None:
        return None
    kept = pinned(book, spec)
    limits = book.stock.limits(book.catalog.budget)
    return (Way({**{n: max(1, limits[n] - kept.get(n, 0)) for n in memory}, **given}),)


def _within(book: Book, spec: Spec, need: Need, cost: Cost) -> Cost:
    """The cost, but no more than can be had where the rest is a guess, or was seen to work: then it loads alone.

    A guess is an estimate's margin; seen to work is a model that outgrew a budget which nobody wrote.
    """
    kept, out = pinned(book, spec), dict(cost)
    for name, amount in cost.items():
        room = book.catalog.budget.get(name, amount) - kept.get(name, 0)
        grown = need.source is Source.LEARNED and book.catalog.measured and name not in book.catalog.given
        if 0 < room < amount and (grown or amount - need.margin <= room):
            out[name] = room
    return out


def pinned(book: Book, beside: Spec) -> dict[str, int]:
    """What the pinned models keep for ever, but for this one."""
    kept: dict[str, int] = {}
    for name in book.pins:
        spec = book.catalog.models[name]
        if name == beside.name:
            continue
        for resource, amount in _keeps(book, spec).items():
            kept[resource] = kept.get(resource, 0) + amount
    return kept


def _keeps(book: Book, spec: Spec) -> Cost:
    """What a pinned model takes: where it runs, else as it is placed best, as far as that is told.

    One that has all there is, until it is known what it takes, will not keep that: others wait for it.
    """
    engine, need = book.engines.get(spec.name), book.stock.need(spec.name, spec.launch)
    if engine is not None and not engine.resting and is_told(book, spec):
        return engine.cost
    return {**(need.ways[0].cost if need is not None and need.ways else {}), **spec.terms.cost}


def is_told(book: Book, spec: Spec) -> bool:
    """Whether its ways do not depend on what pinned models and strangers leave."""
    if spec.remote or not any(is_memory(name) for name in book.catalog.budget):
        return True
    need = book.stock.need(spec.name, spec.launch)
    return (need is not None and bool(need.ways)) or any(is_memory(name) for name in spec.terms.cost)


def never_fits(book: Book, spec: Spec) -> str | None:
    """The arithmetic, if the model cannot ever be up: more than the budget, or than the pinned ones leave.

    None while its need is being told.
    """
    reasons = [_never(book, spec, way.cost) for way in ways(book, spec) or ()]
    return next((reason for reason in reasons if reason is not None), None) if all(reasons) else None


def _never(book: Book, spec: Spec, cost: Cost) -> str | None:
    budget, kept = book.catalog.budget, pinned(book, spec)
    for name, amount in cost.items():
        if name not in budget:
            if amount and is_memory(name) and book.catalog.measured and RAM in budget:
                there = ", ".join(other for other in budget if is_memory(other))
                needs = f"it needs {told(name, amount)} of {name}"
                return f"{needs}, and the machine has {there} only; see its needs and device"
            continue
        needs = f"it needs {told(name, amount)} of {name}, the budget has {told(name, budget[name])}"
        if amount > budget[name]:
            return f"{needs}; raise budget.{name} or lower its needs{_how(name)}"
        if amount > budget[name] - kept.get(name, 0):
            keep = ", ".join(n for n in book.pins if n != spec.name)
            return f"{needs} and pinned {keep} keep {told(name, kept[name])}; raise budget.{name} or unpin one"
    return None


def _how(name: str) -> str:
    return " (a smaller context, or a smaller quantization)" if is_memory(name) else ""


def sharers(book: Book, way: Way, spec: Spec) -> int:
    """Among how many engines its cores are shared, where ``threads`` is auto: those on the CPU that fit together.

    A split for good: a thread count is fixed when an engine starts, and two engines that together have more
    threads than there are cores both collapse (measured: 41 tokens a second become 2.4 each).
    """
    if THREADS not in spec.launch.argv or on_device(way):
        return 1
    others = (other for other in book.catalog.models.values() if _meet(other.launch, spec.launch))
    costs = [found[0].cost for other in others if (found := _on_cpu(book, other)) is not None]
    left, count = dict(book.catalog.budget), 0
    for cost in sorted(costs, key=lambda cost: sum(cost.values())):
        if not fits(cost, left):
            break
        left = {name: amount - cost.get(name, 0) for name, amount in left.items()}
        count += 1
    return max(1, count)


def _meet(one: Launch, other: Launch) -> bool:
    """Whether there is a CPU that both may run on."""
    mine, theirs = one.standing.cpus, other.standing.cpus
    return not (mine and theirs) or not set(mine).isdisjoint(theirs)


def on_device(way: Way) -> bool:
    """Whether anything of it runs on a GPU."""
    return bool(way.devices) or any(
        is_memory(name) and name != RAM and amount for name, amount in way.cost.items()
    )


def _on_cpu(book: Book, spec: Spec) -> tuple[Way, ...] | None:
    found = ways(book, spec)
    return found if found and THREADS in spec.launch.argv and not on_device(found[0]) else None


def like(found: tuple[Way, ...], devices: tuple[str, ...]) -> Way | None:
    """The way on just these devices; where the engine chose itself, the best there is."""
    same = next((way for way in found if set(way.devices) == set(devices)), None)
    return same if same is not None or devices or not found else found[0]
