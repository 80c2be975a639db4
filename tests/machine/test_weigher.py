"""Which models are weighed, and when again."""

from __future__ import annotations

import asyncio
import threading

from swapd.core.events import Weighed
from swapd.core.need import Need, Source
from swapd.core.spec import Catalog, Launch, Spec
from swapd.machine.weigher import Weigher


class Scale:
    """Takes as long as it is held."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.weighed: list[tuple[str, ...]] = []

    def weigh(self, spec: Spec, devices: object) -> Need:
        assert self.free.wait(5)
        self.weighed.append((spec.name, *spec.launch.argv))
        return Need((), Source.UNKNOWN, "nobody knows")


def catalog(**models: Spec) -> Catalog:
    return Catalog(models=models, budget={"ram": 1 << 30})


async def begun(*names: str):
    scale, told = Scale(), asyncio.Queue()
    weigher = Weigher(told.put_nowait, scale)
    specs = {name: Spec(name, Launch(("x",))) for name in names}
    weigher.look(catalog(**specs))
    weigher.begin(blind=False)
    async with asyncio.timeout(5):
        for name in names:
            assert (await told.get()).model == name
    return weigher, scale, told, specs


async def test_after_an_edit_only_what_changed_is_weighed_again():
    weigher, scale, told, specs = await begun("a", "b", "c")
    weigher.look(catalog(**specs | {"b": Spec("b", Launch(("y",)))}))
    async with asyncio.timeout(5):
        assert isinstance(news := await told.get(), Weighed)
    assert (news.model, news.launch.argv) == ("b", ("y",))
    assert len(scale.weighed) == 4
    await weigher.aclose()


async def test_what_waits_to_be_weighed_again_is_not_forgotten_over_a_second_edit():
    weigher, scale, told, specs = await begun("a", "b")
    scale.free.clear()
    edited = {name: Spec(name, Launch(("y",))) for name in specs}
    weigher.look(catalog(**edited))
    weigher.look(catalog(**edited, c=Spec("c", Launch(("y",)))))
    scale.free.set()
    async with asyncio.timeout(5):
        news = {(await told.get()).model for _ in range(3)}
    assert news == {"a", "b", "c"}
    assert ("b", "y") in scale.weighed
    await weigher.aclose()


async def test_another_budget_of_a_gpu_has_all_weighed_again():
    weigher, scale, told, specs = await begun("a", "b")
    weigher.look(Catalog(models=specs, budget={"ram": 1 << 30, "CUDA0": 1 << 30}))
    async with asyncio.timeout(5):
        assert {(await told.get()).model for _ in range(2)} == {"a", "b"}
    assert len(scale.weighed) == 4
    await weigher.aclose()
