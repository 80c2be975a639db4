"""The desk: facts in any order from anywhere, and no lease is ever leaked."""

from __future__ import annotations

import asyncio
import random

import pytest

from swapd.core.commands import Kill, Refuse, Spawn, Terminate
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, CatalogChanged, Closing, EngineExited, EngineReady, Left, UnloadWished, Usage
from swapd.core.refusal import Exit, Reason, Refusal, Refused
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Launch, Rules, Spec, Terms
from swapd.dispatch import Dispatcher


class FakeHands:
    """Engines that get ready and stop after ``delay`` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.performed: list[Spawn | Terminate | Kill] = []
        self.desk: Dispatcher

    def perform(self, command):
        self.performed.append(command)
        loop = asyncio.get_running_loop()
        if isinstance(command, Spawn):
            loop.call_later(self.delay, self.desk.post, EngineReady(command.run, Endpoint("127.0.0.1", 1)))
        elif isinstance(command, Terminate):
            loop.call_later(self.delay, self.desk.post, EngineExited(command.run, Exit(0)))


def open_desk(models="ab", delay=0.0, rules=Rules(linger=0.0), ears=(), concurrency=1, look=None):  # noqa: B008
    hands = FakeHands(delay)
    desk = hands.desk = Dispatcher(Scheduler(), hands, ears, look)
    terms = Terms(cost={"engines": 1}, concurrency=concurrency)
    specs = {name: Spec(name, Launch((name,)), terms) for name in models}
    desk.post(CatalogChanged(Catalog(specs, budget={"engines": 1}, rules=rules)))
    return desk, hands


async def test_a_lease_is_granted_and_given_back():
    desk, _ = open_desk()
    async with desk.lease("a") as lease:
        assert lease.run == RunId("a", 1)
        assert desk.view().models["a"].engine.leases == 1
    assert desk.view().models["a"].engine.leases == 0


async def test_a_refusal_is_raised():
    desk, _ = open_desk()
    with pytest.raises(Refused) as caught:
        async with desk.lease("nope"):
            pass
    assert caught.value.refusal.reason is Reason.UNKNOWN_MODEL


async def test_before_a_model_makes_others_go_it_is_looked_at():
    missing, looked = Exit(reason="there is no file", hint="put it there"), []

    async def look(spec):
        looked.append(spec.name)
        return missing if spec.name == "b" else None

    heard = []
    desk, hands = open_desk("abc", look=look, ears=[lambda event, orders: heard.append((event, *orders))])
    async with desk.lease("a"):
        pass
    async with desk.lease("a"):
        pass
    assert looked == []  # nobody had to go for it, and then it was up
    with pytest.raises(Refused) as caught:
        async with desk.lease("b"):
            pass
    refusal = Refusal(Reason.START_FAILED, "b", missing)
    assert caught.value.refusal == refusal
    assert str(refusal) == "cannot start the engine of model 'b': there is no file\nHint: put it there"
    asked, left = heard[-2:]
    assert asked == (Asked(asked[0].ticket, "b", missing=missing), Refuse(asked[0].ticket, refusal))
    assert left == (Left(asked[0].ticket),)
    assert [type(command) for command in hands.performed] == [Spawn]
    async with desk.lease("c") as lease:
        assert lease.run == RunId("c", 1)
    assert looked == ["b", "c"]
    with pytest.raises(Refused):
        async with desk.lease("nope"):
            pass
    assert await desk.missing("b") == refusal
    assert (await desk.missing("a"), await desk.missing("c"), await desk.missing("nope")) == (None, None, None)
    assert looked == ["b", "c", "b", "a"]


async def test_when_closing_nobody_is_looked_at():
    desk, _ = open_desk(look=lambda _: asyncio.sleep(0, Exit(reason="there is no file")))
    async with desk.lease("a"):
        desk.post(Closing())
        with pytest.raises(Refused) as caught:
            async with desk.lease("b"):
                pass
    assert caught.value.refusal.reason is Reason.CLOSING


async def test_who_leaves_while_it_is_looked_leaves_nothing():
    desk, hands = open_desk(look=lambda _: asyncio.sleep(30))
    async with desk.lease("a"):
        pass
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01), desk.lease("b"):
            pass
    assert desk.view().models["b"].waiting == 0
    assert len(hands.performed) == 1


async def test_an_error_inside_the_block_gives_the_lease_back():
    desk, _ = open_desk()
    with pytest.raises(ZeroDivisionError):
        async with desk.lease("a"):
            raise ZeroDivisionError
    assert desk.view().models["a"].engine.leases == 0


async def test_a_lease_can_be_kept_beyond_its_block():
    desk, _ = open_desk()
    idle = asyncio.Event()

    async def until_idle():
        await idle.wait()

    async with desk.lease("a") as lease:
        lease.keep_until(until_idle())
    assert desk.view().models["a"].engine.leases == 1
    idle.set()
    async with asyncio.timeout(10):
        await desk.until(lambda view: view.models["a"].engine.leases == 0)


async def test_an_event_posted_while_another_is_handled_waits_its_turn():
    heard = []

    def ear(event, commands):
        heard.append(type(event).__name__)
        if isinstance(event, CatalogChanged):
            desk.post(UnloadWished("a"))
            heard.append("posted")

    hands = FakeHands()
    desk = hands.desk = Dispatcher(Scheduler(), hands, [ear])
    desk.post(CatalogChanged(Catalog({"a": Spec("a", Launch(("a",)))})))
    assert heard == ["CatalogChanged", "posted", "UnloadWished"]


async def test_ears_hear_an_order_before_the_hands_perform_it():
    order = []
    desk, hands = open_desk(ears=[lambda event, commands: order.extend(commands)])
    async with desk.lease("a"):
        assert isinstance(order[0], Spawn)
    assert hands.performed[0] in order


async def test_the_timer_serves_the_ttl():
    hands = FakeHands()
    desk = hands.desk = Dispatcher(Scheduler(), hands)
    from swapd.core.spec import Stay

    spec = Spec("a", Launch(("a",)), Terms(stay=Stay(ttl=0.02)))
    desk.post(CatalogChanged(Catalog({"a": spec})))
    async with desk.lease("a"):
        pass
    async with asyncio.timeout(10):
        await desk.until(lambda view: view.models["a"].engine is None)


async def test_a_stopped_engine_marks_the_lease_revoked():
    desk, _ = open_desk()
    async with desk.lease("a") as lease:
        desk.post(Closing())
        assert not lease.revoked
        desk.post(Closing())
        assert str(lease.revoked) == "shutdown"


async def test_four_hundred_callers_that_cancel_at_random_leak_nothing():
    desk, _hands = open_desk(
        "abc", delay=0.001, concurrency=4, rules=Rules(queue=1000, linger=0.001, patience=0.05)
    )
    dice = random.Random(7)
    served = 0

    async def call():
        nonlocal served
        async with desk.lease(dice.choice("abc"), str(dice.randrange(5))):
            await asyncio.sleep(dice.random() * 0.002)
            served += 1

    callers = [asyncio.ensure_future(call()) for _ in range(400)]
    for caller in dice.sample(callers, 200):
        await asyncio.sleep(dice.random() * 0.002)
        caller.cancel()
    async with asyncio.timeout(20):
        await asyncio.gather(*callers, return_exceptions=True)
    view = desk.view()
    assert served >= 200
    assert sum(m.waiting for m in view.models.values()) == 0
    assert sum(m.engine.leases for m in view.models.values() if m.engine) == 0
    desk.post(Closing())
    async with asyncio.timeout(5):
        await desk.until(lambda view: view.quiet)
    desk.close()


async def test_nine_thousand_that_wait_and_a_thousand_too_many_each_get_one_outcome():
    desk, _ = open_desk("ab", concurrency=5000, rules=Rules(queue=9_000, linger=0.0, patience=0.05))
    outcomes = []

    async def call(n):
        try:
            async with desk.lease("ab"[n % 2], str(n % 7)):
                outcomes.append((n, "served"))
        except Refused as refused:
            outcomes.append((n, refused.refusal.reason))

    async with asyncio.timeout(30):
        await asyncio.gather(*(call(n) for n in range(10_000)))
    assert sorted(n for n, _ in outcomes) == list(range(10_000))
    assert sum(outcome == "served" for _, outcome in outcomes) == 9_000
    assert sum(outcome is Reason.QUEUE_FULL for _, outcome in outcomes) == 1_000
    desk.close()


async def test_a_lease_on_a_ready_engine_is_had_without_a_turn_of_the_loop():
    desk, _ = open_desk(concurrency=2)
    turns = []
    async with desk.lease("a"):
        asyncio.get_running_loop().call_soon(turns.append, 1)
        async with desk.lease("a"):
            assert not turns


async def test_who_leaves_tells_what_the_answer_took_also_where_the_lease_is_kept():
    left = []
    desk, _ = open_desk(ears=[lambda event, commands: left.append(event) if isinstance(event, Left) else None])
    done = asyncio.Event()
    async with desk.lease("a") as lease:
        lease.usage = Usage(0.5, 7, 9)
    async with desk.lease("a") as kept:
        kept.usage = Usage(0.25)

        async def until_done():
            await done.wait()

        kept.keep_until(until_done())
    done.set()
    async with asyncio.timeout(5):
        await desk.until(lambda view: view.models["a"].engine.leases == 0)
    assert [event.usage for event in left] == [Usage(0.5, 7, 9), Usage(0.25)]


async def test_the_timer_is_not_made_anew_for_each_event(monkeypatch):
    desk, _ = open_desk()
    async with desk.lease("a"):
        pass
    made = []
    true = asyncio.BaseEventLoop.call_at
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_at", lambda *facts: made.append(facts) or true(*facts))
    for _ in range(20):
        async with desk.lease("a"):
            pass
    assert len(made) <= 1
    desk.close()
