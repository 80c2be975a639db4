"""The bench runs: its C programs compile, its driver understands our answers, its bounds are the issue's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.bench import proxies, relay, tools

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(tools.compiler() is None, reason="needs a C compiler"),
]
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE = relay.Load("one", 1, chunks=2)


@contextmanager
def liar(answer: bytes) -> Iterator[proxies.Proxy]:
    """A proxy that says this to its first client, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def answer_once() -> None:
            client, _ = door.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield proxies.Proxy("liar", door.getsockname()[1])
        thread.join()


def test_the_relay_is_measured_in_its_shortest_form():
    found = relay.measure(rounds=1, pace=0.05, with_nginx=False)

    assert set(found["figures"]) == {"direct", "swapd"}
    for load in relay.LOADS:
        assert found["figures"]["swapd"][f"{load.name}_cpu"] > 0
    assert found["ratios"] == {}
    assert relay.table(found).splitlines()[-1].startswith("swapd ")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "not a 200"),
        (HEAD + b'15\r\ndata: {"i":0,"t":1}\n\n\r\n', "closed in the midst"),
        (HEAD + b'15\r\ndata: {"i":1,"t":1}\n\n\r\n', "not the event awaited"),
        (HEAD + b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n", "the end came early"),
        (HEAD + b"0\r\n\r\n", r"without \[DONE\]"),
        (b"", "closed in the midst"),
    ],
)
def test_a_wrong_answer_ends_the_measuring(answer, why):
    with liar(answer) as proxy, pytest.raises(RuntimeError, match=f"cannot measure one through liar: .*{why}"):
        relay.drive(proxy, ONE)


def test_ratios_are_judged_by_the_bounds_and_by_milder_ones_without_uvloop():
    nginx = dict.fromkeys(relay.LIMITS, 100.0)
    swapd = {**dict.fromkeys(relay.LIMITS, 50.0), "json1_p50": 700.0, "json32_rate": 10.0}
    ratios = relay._ratios({"nginx": nginx, "swapd": swapd, "swapd, no uvloop": swapd})
    judged = {
        key: [relay._verdict(name, of[key], relay.LIMITS[key][1]) for name, of in ratios.items()] for key in nginx
    }

    assert judged["json1_p50"] == ["missed", "ok"]
    assert judged["json32_rate"] == ["missed", "ok"]
    assert judged["paced50_p99"] == ["ok", "ok"]


def test_a_peer_is_named_with_its_port_and_may_have_a_process():
    assert proxies.peer("other=http://127.0.0.1:8080") == proxies.Proxy("other", 8080)
    assert proxies.peer("other=http://127.0.0.1:8080:77") == proxies.Proxy("other", 8080, 77)
    with pytest.raises(ValueError, match="cannot read --peer"):
        proxies.peer("127.0.0.1:8080")
