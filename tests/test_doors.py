"""Listening: what can be had is had, what cannot is named."""

from __future__ import annotations

import os
import socket

import pytest

from swapd import systemd
from swapd.core.settings import Address
from swapd.doors import CannotListen, open_sockets, try_to_listen, url_of


def test_port_0_picks_a_port_and_the_url_says_which():
    (sock,) = open_sockets([Address("127.0.0.1", 0)])
    with sock:
        assert url_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_an_ipv6_address_is_written_in_brackets():
    (sock,) = open_sockets([Address("::1", 0)])
    with sock:
        assert url_of(sock).startswith("http://[::1]:")


def test_a_taken_address_is_named_and_the_others_are_let_go():
    (first,) = open_sockets([Address("127.0.0.1", 0)])
    with first:
        port = first.getsockname()[1]
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            open_sockets([Address("127.0.0.1", 0), Address("127.0.0.1", port)])


def test_a_stale_unix_socket_is_taken_over_and_a_living_one_is_not(tmp_path):
    path = str(tmp_path / "swapd.sock")
    (stale,) = open_sockets([Address(path=path)])
    stale.close()
    (living,) = open_sockets([Address(path=path)])
    with living:
        assert url_of(living) == f"unix:{path}"
        with pytest.raises(CannotListen, match="another process answers there"):
            open_sockets([Address(path=path)])


def test_a_look_at_a_unix_socket_tells_what_opening_it_would(tmp_path):
    path, file = str(tmp_path / "swapd.sock"), tmp_path / "file"
    file.touch()
    (sock,) = open_sockets([Address(path=path)])
    with sock, pytest.raises(CannotListen, match="another process answers there"):
        try_to_listen(Address(path=path))
    assert try_to_listen(Address(path=path)) is False  # nobody answers behind it any more
    with pytest.raises(CannotListen, match="there is a file already"):
        try_to_listen(Address(path=str(file)))


def test_sockets_of_systemd_are_taken_when_they_are_meant_for_us(monkeypatch):
    assert systemd.listen_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    with socket.create_server(("127.0.0.1", 0)) as given:
        fd = os.dup(given.fileno())
        monkeypatch.setattr(systemd, "FIRST_FD", fd)
        os.set_inheritable(fd, True)
        (taken,) = systemd.listen_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
        with taken:
            assert taken.getsockname() == given.getsockname()
            assert not os.get_inheritable(fd)


@pytest.mark.parametrize("abstract", [False, True])
def test_facts_reach_the_service_manager(tmp_path, abstract):
    name = f"@swapd-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        systemd.notify({"NOTIFY_SOCKET": name}, "READY=1", "STATUS=x")
        assert manager.recv(100) == b"READY=1\nSTATUS=x"


def test_without_a_service_manager_nothing_happens():
    systemd.notify({}, "READY=1")
    systemd.notify({"NOTIFY_SOCKET": "/no/such/socket"}, "READY=1")
