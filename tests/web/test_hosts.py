"""By what names we are called, and by whom through which proxies."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest
from aiohttp import web

from swapd.core.settings import Address
from swapd.doors import open_sockets
from swapd.web import hosts
from swapd.web.app import create_app
from swapd.web.errors import Problem
from swapd.web.front_door import FrontDoor
from swapd.web.hosts import LOOPBACK, NETWORK, UNIX, Hosts
from swapd.web.proxies import Proxies
from swapd.web.surface import HOT
from tests.web.conftest import FakeEngines
from tests.web.raw import End, calling, plain, post, read_message, replies

CHAT = b'{"model": "alpha"}'


def rules(front, **more):
    front.config.settings = replace(front.config.settings, **more)


def named(host: bytes, *lines: bytes) -> bytes:
    return post(CHAT, *lines).replace(b"Host: x", b"Host: " + host)


OURS = ["localhost", "LOCALHOST:9292", "a.localhost", "127.0.0.1:1", "[::1]:9292", "192.168.1.2", "localhost."]
OURS += [socket.gethostname(), socket.gethostname().partition(".")[0] + ".local:80", "host.docker.internal"]
THEIRS = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9292", "2130706433", "[::1", "a:b:c"]


@pytest.mark.parametrize("host", OURS)
def test_nobody_else_can_own_these_names(host):
    Hosts(()).check(host.encode(), LOOPBACK)
    Hosts(("swapd.home.arpa",)).check(host.encode(), NETWORK)


@pytest.mark.parametrize("host", THEIRS)
def test_anybody_may_own_these(host):
    with pytest.raises(Problem, match="'hosts' in the config"):
        Hosts(()).check(host.encode(), LOOPBACK)
    with pytest.raises(Problem):
        Hosts(("swapd.home.arpa",)).check(host.encode(), NETWORK)
    Hosts(()).check(host.encode(), NETWORK)
    Hosts(("swapd.home.arpa",)).check(host.encode(), UNIX)


def test_a_name_of_the_config_is_ours_at_any_port():
    for host in (b"swapd.home.arpa", b"Swapd.Home.Arpa:8443", b"swapd.home.arpa.", b"", None):
        Hosts(("swapd.home.arpa",)).check(host, LOOPBACK)


def test_no_more_names_are_remembered_than_needed(monkeypatch):
    monkeypatch.setattr(hosts, "MOST", 3)
    known = Hosts(())
    for port in range(10):
        known.check(b"localhost:%d" % port, LOOPBACK)
        assert len(known._known) <= 3


@pytest.mark.parametrize("line", [b"A: b", b"X-Request-ID: a b"])  # of the express lane, and of aiohttp's
async def test_who_rebinds_a_name_to_loopback_hears_nothing(raw_hall, line):
    front, engine = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        for host, status in [(b"evil.example", 403), (b"localhost:1", 200), (b"evil.example:1", 403), (b"x", 200)]:
            await caller.send(named(host, line))
            answer = await caller.answer()
            assert (answer.status, b"not_permitted" in answer.body) == (status, status == 403)
            assert answer.get("X-Request-ID")
    assert len(engine.heard) == 2


async def test_an_edit_of_hosts_counts_at_once(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        for names, status in [(("x",), 200), ((), 403), (("x", "y"), 200)]:
            rules(front, hosts=names)
            await caller.send(post(CHAT))
            assert (await caller.answer()).status == status


async def test_health_is_told_to_monitors_whatever_they_call_us(hall):
    front = await hall(nothing)
    assert (await front.client.get("/health", headers={"Host": "evil.example"})).status == 200
    for path in ("/ready", "/v1/models", "/admin/status", "/nowhere"):
        assert (await front.client.get(path, headers={"Host": "evil.example"})).status == 403


async def test_a_client_of_http_1_0_need_not_name_us(raw_hall):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        await caller.send(b"GET /ready HTTP/1.0\r\n\r\n")
        assert (await caller.answer()).status == 200


async def test_at_a_unix_socket_any_name_will_do_and_who_asks_is_local_but_behind_a_proxy(hall, tmp_path):
    front = await hall(nothing)
    app = create_app(front.gate, front.config, FakeEngines(), front.upstream, lambda at, now: "")
    door = FrontDoor(app, front.config, 10)
    await door.open(open_sockets([Address(path=str(tmp_path / "s"))]))
    end = End(*await asyncio.open_unix_connection(str(tmp_path / "s")))
    told = b"X-Forwarded-For: %s\r\n"
    try:
        for host, line, trusted, status in [
            (b"evil.example", b"", (), 200),
            (b"localhost", told % b"127.0.0.1", (), 403),
            (b"localhost", told % b"127.0.0.1", ("unix",), 200),
            (b"swapd.home.arpa", told % b"127.0.0.1", ("unix",), 403),
            (b"localhost", told % b"10.0.0.9", ("unix",), 403),
        ]:
            rules(front, trusted_proxies=trusted)
            await end.send(b"GET /admin/status HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (host, line))
            assert (await read_message(end.reader)).status == status
    finally:
        await end.closed()
        await door.close()


async def test_a_silent_proxy_on_this_machine_makes_nobody_local(hall):
    """It adds no header; but its clients call us by a name of the config's ``hosts``."""
    front = await hall(nothing)
    assert (await front.client.get("/admin/status", headers={"Host": "x"})).status == 403
    assert (await front.client.get("/v1/models", headers={"Host": "x"})).status == 200


async def nothing(request: web.Request) -> web.Response:
    return web.json_response({})


PROXY = "10.0.0.1"


def told(**headers: str) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ({"x_forwarded_for": "203.0.113.5"}, "203.0.113.5"),
        ({"x_forwarded_for": "127.0.0.1, 203.0.113.5"}, "203.0.113.5"),
        ({"x_forwarded_for": "203.0.113.5, 192.168.0.7"}, "203.0.113.5"),
        ({"x_forwarded_for": "192.168.0.9, 192.168.0.7"}, "192.168.0.9"),
        ({"x_forwarded_for": "203.0.113.5:4711"}, "203.0.113.5"),
        ({"x_forwarded_for": "[2001:db8::1]:4711"}, "2001:db8::1"),
        ({"x_forwarded_for": "2001:db8::1"}, "2001:db8::1"),
        ({"x_forwarded_for": "::ffff:203.0.113.5"}, "203.0.113.5"),
        ({"forwarded": 'for=203.0.113.5;proto=https, For="[2001:db8::1]:9"'}, "2001:db8::1"),
        ({"forwarded": "for=203.0.113.5", "x_forwarded_for": "203.0.113.5"}, "203.0.113.5"),
        # What cannot be known is not guessed at:
        ({"forwarded": "for=127.0.0.1", "x_forwarded_for": "203.0.113.5"}, None),
        ({"x_forwarded_for": "127.0.0.1, unknown"}, None),
        ({"x_forwarded_for": "unknown"}, None),
        ({"x_forwarded_for": ""}, None),
        ({"forwarded": "for=_hidden"}, None),
        ({"forwarded": "proto=https"}, None),
        ({"via": "1.1 x"}, None),
    ],
)
def test_a_trusted_proxy_tells_who_asks(headers, sender):
    assert Proxies((PROXY + "/32", "192.168.0.0/24")).sender(PROXY, told(**headers)) == sender


@pytest.mark.parametrize("peer", ["10.0.0.2", "", UNIX, "::1"])
def test_nobody_else_is_believed(peer):
    assert Proxies((PROXY,)).sender(peer, told(x_forwarded_for="203.0.113.5")) is None


@pytest.mark.parametrize("line", [b"A: b", b"X-Request-ID: a b"])
async def test_fair_shares_are_for_whom_a_trusted_proxy_speaks(raw_hall, line):
    front, _ = await raw_hall(replies(plain(b"{}")))
    async with calling(front.port) as caller:
        for trusted, name in [((), "127.0.0.1"), (("127.0.0.0/8",), "203.0.113.5")]:
            rules(front, trusted_proxies=trusted)
            await caller.send(post(CHAT, line, b"X-Forwarded-For: 203.0.113.5"))
            assert (await caller.answer()).status == 200
            assert front.gate.asked.pop() == ("alpha", name)


@pytest.mark.parametrize(("sender", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.0.0.9", 403), ("x", 403)])
async def test_who_is_local_behind_a_trusted_proxy_is_what_that_says(hall, sender, status):
    front = await hall(nothing)
    rules(front, trusted_proxies=("127.0.0.1",))
    answer = await front.client.get("/admin/status", headers={"X-Forwarded-For": sender})
    assert answer.status == status
    answer = await front.client.post(HOT[0], headers={"X-Forwarded-For": sender}, json={"model": "alpha"})
    assert front.gate.asked == [("alpha", sender if sender != "x" else "127.0.0.1")]
