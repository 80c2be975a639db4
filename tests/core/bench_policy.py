"""How many events a second the study takes: 50 models, 500 waiting tickets. Not a test: run it as a module.

python -m tests.core.bench_policy
"""

from __future__ import annotations

from random import Random
from time import perf_counter

from swapd.core.events import Asked, CatalogChanged, EngineReady, Left, Ticked, Ticket
from swapd.core.scheduler import Scheduler
from tests.core.play import catalog, endpoint, model

MODELS, SLOTS, WAITING, CLIENTS, EVENTS = 50, 8, 500, 20, 4000


def house() -> tuple[Scheduler, list[int], Random]:
    """A full box: eight busy engines, five hundred who wait, some of them out of patience."""
    rng = Random(1)
    names = [f"m{i:02}" for i in range(MODELS)]
    scheduler = Scheduler()
    models = [model(name, concurrency=4) for name in names]
    scheduler.handle(CatalogChanged(catalog(*models, budget={"engines": SLOTS}, queue=10_000)), 0.0)
    for n, name in enumerate(names[:SLOTS]):
        scheduler.handle(Asked(Ticket(n), name, "first"), 0.0)
        run = scheduler.book.engines[name].run
        scheduler.handle(EngineReady(run, endpoint(run)), 1.0)
    waiting = list(range(100, 100 + WAITING))
    for ticket in waiting:
        scheduler.handle(Asked(Ticket(ticket), rng.choice(names), f"c{rng.randrange(CLIENTS)}"), 1.0 + ticket / 50)
    return scheduler, waiting, rng


def main() -> None:
    """Print events a second: callers that come and go, and plain ticks; each with the next deadline asked for."""
    scheduler, waiting, rng = house()
    now, ticket = 20.0, 10_000
    for what in ("come and go", "tick"):
        began = perf_counter()
        for n in range(EVENTS):
            now += 0.001
            if what == "tick":
                scheduler.handle(Ticked(), now)
            elif n % 2:
                scheduler.handle(Left(Ticket(waiting.pop(rng.randrange(len(waiting))))), now)
            else:
                ticket += 1
                waiting.append(ticket)
                scheduler.handle(
                    Asked(Ticket(ticket), f"m{rng.randrange(MODELS):02}", f"c{rng.randrange(CLIENTS)}"), now
                )
            scheduler.deadline()
        seconds = perf_counter() - began
        print(f"{what:12} {EVENTS / seconds:8.0f} events/s  ({1e6 * seconds / EVENTS:.0f} µs each)")


if __name__ == "__main__":
    main()
