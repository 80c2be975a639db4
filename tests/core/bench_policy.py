"""How many events a second (of CPU time) the study takes, and how that falls with models and tickets. As a module:

python -m tests.core.bench_policy
"""

from __future__ import annotations

from random import Random
from time import process_time

from swapd.core.events import Asked, CatalogChanged, EngineReady, Left, Ticked, Ticket
from swapd.core.scheduler import Scheduler
from tests.core.play import catalog, endpoint, model

SLOTS, CLIENTS, EVENTS = 8, 20, 4000
SIZES = ((5, 50), (50, 500), (200, 2_000), (1_000, 10_000))
"""Models, and tickets that wait."""


def house(count: int, crowd: int) -> tuple[Scheduler, list[int], Random]:
    """A full box: up to eight busy engines, a crowd that waits, some of it out of patience."""
    rng = Random(1)
    names = [f"m{i:02}" for i in range(count)]
    scheduler = Scheduler()
    models = [model(name, concurrency=4) for name in names]
    scheduler.handle(CatalogChanged(catalog(*models, budget={"engines": SLOTS}, queue=100_000, wait=None)), 0.0)
    for n, name in enumerate(names[:SLOTS]):
        scheduler.handle(Asked(Ticket(n), name, "first"), 0.0)
        run = scheduler.book.engines[name].run
        scheduler.handle(EngineReady(run, endpoint(run)), 1.0)
    waiting = list(range(100, 100 + crowd))
    for ticket in waiting:
        scheduler.handle(
            Asked(Ticket(ticket), rng.choice(names), f"c{rng.randrange(CLIENTS)}"), 1.0 + 10 * ticket / crowd
        )
    return scheduler, waiting, rng


def measure(count: int, crowd: int, now: float) -> dict[str, float]:
    """Events a second of callers that come and go, and of plain ticks; each with the next deadline asked for."""
    scheduler, waiting, rng = house(count, crowd)
    ticket, found = 10_000_000, {}
    for what in ("come and go", "tick"):
        began = process_time()
        for n in range(EVENTS):
            now += 0.001
            if what == "tick":
                scheduler.handle(Ticked(), now)
            elif n % 2:
                scheduler.handle(Left(Ticket(waiting.pop(rng.randrange(len(waiting))))), now)
            else:
                ticket += 1
                waiting.append(ticket)
                name, client = f"m{rng.randrange(count):02}", f"c{rng.randrange(CLIENTS)}"
                scheduler.handle(Asked(Ticket(ticket), name, client), now)
            scheduler.deadline()
        found[what] = EVENTS / (process_time() - began)
    return found


def main() -> None:
    """Print the table."""
    for mood, now in (("patient", 20.0), ("out of patience", 50.0)):
        for count, crowd in SIZES:
            rates = measure(count, crowd, now)
            told = "  ".join(f"{what} {rate:6.0f}/s ({1e6 / rate:4.0f} µs)" for what, rate in rates.items())
            print(f"{count:5} models {crowd:6} waiting, {mood:15}  {told}")


if __name__ == "__main__":
    main()
