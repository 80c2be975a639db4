"""What the service manager is told, without one."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from swapd import manager, systemd
from swapd.core.commands import Kill, Spawn, Terminate
from swapd.core.engine import Endpoint
from swapd.core.events import CatalogChanged, EngineReady, LoadWished
from swapd.core.scheduler import Scheduler
from swapd.core.spec import Catalog, Launch, Spec, Terms
from swapd.dispatch import Dispatcher
from swapd.manager import Manager, watchdog
from tests.processes import until

ENVIRON = {"NOTIFY_SOCKET": "/run/somebody"}


class Heard:
    """Stands for ``systemd.notify``: keeps what is told, a datagram each."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def __call__(self, environ, *facts):
        self.told.append(facts)

    def statuses(self):
        return [
            fact.removeprefix("STATUS=") for facts in self.told for fact in facts if fact.startswith("STATUS=")
        ]

    def count(self, fact):
        return sum(fact in facts for facts in self.told)


class Hands:
    """Starts engines, which get ready when the test says so."""

    def __init__(self) -> None:
        self.spawned: list[Spawn] = []

    def perform(self, command: Spawn | Terminate | Kill) -> None:
        if isinstance(command, Spawn):
            self.spawned.append(command)


class House:
    """A desk with models ``a`` and ``b``, and its manager."""

    def __init__(self, environ=ENVIRON) -> None:
        self.heard, self.hands, self.scheduler = Heard(), Hands(), Scheduler()
        self.manager = Manager(environ, self.heard)
        self.desk = Dispatcher(self.scheduler, self.hands, self.manager.ears)
        specs = {name: Spec(name, Launch((name,)), Terms()) for name in "ab"}
        self.desk.post(CatalogChanged(Catalog(specs)))
        self.manager.ready(self.desk, ["http://127.0.0.1:9292"])


@pytest.fixture
def built(monkeypatch):
    """``built()``: a house whose manager speaks ten times faster than in earnest; closed at the end."""
    monkeypatch.setattr(manager, "SPACING", 0.1)
    monkeypatch.setattr(manager, "RENEWAL", 0.02)
    houses = []

    def build(**more):
        houses.append(House(**more))
        return houses[-1]

    yield build
    for house in houses:
        house.manager.close()
        house.desk.close()


async def test_ready_says_where(built):
    house = built()
    assert house.heard.told == [("READY=1", "STATUS=on http://127.0.0.1:9292: no engine ready")]


async def test_the_status_follows_but_does_not_chatter(built):
    house = built()
    for name in "ab":
        house.desk.post(LoadWished(name))
    house.desk.post(EngineReady(house.hands.spawned[0].run, Endpoint("127.0.0.1", 1)))
    await until(lambda: house.heard.statuses()[-1].endswith(": 1 engine ready, b loading"))
    assert len(house.heard.statuses()) == 2
    house.desk.post(LoadWished("a"))  # which changes nothing
    house.desk.post(EngineReady(house.hands.spawned[1].run, Endpoint("127.0.0.1", 1)))
    await until(lambda: house.heard.statuses()[-1].endswith(": 2 engines ready"))
    assert len(house.heard.statuses()) == 3


async def test_a_status_counts_who_waits(built):
    house = built()
    asking = asyncio.ensure_future(house.desk.lease("a").__aenter__())
    await until(lambda: house.heard.statuses()[-1].endswith(": no engine ready, a loading; 1 wait"))
    asking.cancel()


async def test_without_anybody_to_tell_there_is_no_ear():
    assert Manager({}, systemd.notify).ears == []


async def test_a_reload_is_told_with_its_moment_and_its_end_whatever_came_of_it(built):
    house = built()
    with pytest.raises(ZeroDivisionError), house.manager.reloading():
        raise ZeroDivisionError
    reloading, ready = house.heard.told[1:]
    assert (reloading[0], reloading[1].partition("=")[0]) == ("RELOADING=1", "MONOTONIC_USEC")
    assert ready[0] == "READY=1"


async def test_who_stops_asks_for_more_time_until_it_is_gone(built):
    house = built()
    house.manager.stopping()
    assert house.heard.count("STOPPING=1") == 1
    await until(lambda: house.heard.count("EXTEND_TIMEOUT_USEC=20000000") > 2)
    house.manager.close()
    asked = len(house.heard.told)
    another = built()
    another.manager.stopping()
    await until(lambda: len(another.heard.told) > 4)
    assert len(house.heard.told) == asked


async def test_the_watchdog_is_fed_by_the_desk_and_not_by_one_that_is_broken(built, monkeypatch, caplog):
    house = built(environ={**ENVIRON, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())})
    await until(lambda: house.heard.count("WATCHDOG=1") > 2)
    monkeypatch.setattr(house.scheduler, "handle", lambda *_: 1 / 0)
    house.desk.post(LoadWished("a"))
    fed = house.heard.count("WATCHDOG=1")
    await until(lambda: caplog.text.count("cannot handle Ticked()") > 2)
    assert house.heard.count("WATCHDOG=1") == fed


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_who_waits_for_signs_of_life(environ, seconds):
    assert watchdog(environ) == seconds


def test_sockets_are_taken_by_name_and_by_nature_and_only_once(monkeypatch, caplog):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        first = 700
        for n, fd in enumerate((one.fileno(), os.open("/dev/null", os.O_RDONLY), two.fileno())):
            os.dup2(fd, first + n)
        monkeypatch.setattr(systemd, "FIRST_FD", first)
        names = {"LISTEN_FDNAMES": "http:http:something"}
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", **names, "PATH": "/bin"}
        (taken,) = systemd.listen_sockets(environ)
        assert taken.getsockname() == one.getsockname()
        taken.close()
    assert environ == {"PATH": "/bin"}
    assert [Path(f"/proc/self/fd/{first + n}").exists() for n in range(3)] == [False, False, False]
    assert "handed over 'something'" in caplog.text
