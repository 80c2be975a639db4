"""Where to listen, and whom to let in."""

from __future__ import annotations

import pytest

from swapd.core.settings import Address, Limits, LogSettings, Settings

OPEN = "insecure: true\nmodels: {}"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9292", Address("127.0.0.1", 9292)),
        ("0.0.0.0:80", Address("0.0.0.0", 80)),
        ("localhost:0", Address("localhost", 0)),
        ("my-box.home.arpa:1", Address("my-box.home.arpa", 1)),
        ("'[::1]:9292'", Address("::1", 9292)),
        ("unix:/run/swapd.sock", Address(path="/run/swapd.sock")),
    ],
)
def test_an_address_is_host_and_port_or_a_socket(loaded, text, address):
    assert loaded(f"listen: {text}\n{OPEN}").settings.listen == (address,)


def test_a_relative_socket_is_beside_the_config(loaded, tmp_path):
    assert loaded("listen: unix:s.sock\nmodels: {}").settings.listen == (Address(path=f"{tmp_path}/s.sock"),)


def test_many_addresses_make_a_list(loaded):
    listen = loaded("listen: [127.0.0.1:1, '[::1]:1', 127.0.0.1:0, 127.0.0.1:0]\nmodels: {}").settings.listen
    assert [str(address) for address in listen] == ["127.0.0.1:1", "[::1]:1", "127.0.0.1:0", "127.0.0.1:0"]


ADVICE = "write 127.0.0.1:9292, [::1]:9292 or unix:/path"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("9292", "9: listen: '9292' is no address: write 127.0.0.1:9292, or 0.0.0.0:9292 for all interfaces"),
        ("':8080'", "9: listen: ':8080' is no address: write 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces"),
        ("localhost", f"9: listen: 'localhost' is no address: {ADVICE}"),
        ("'::1:9292'", f"9: listen: '::1:9292' is no address: {ADVICE}"),
        ("http://127.0.0.1:1", f"9: listen: 'http://127.0.0.1:1' is no address: {ADVICE}"),
        ("'unix:'", f"9: listen: 'unix:' is no address: {ADVICE}"),
        ("127.0.0.1:65536", "9: listen: there is no port 65536: the highest is 65535"),
        ("'[::zz]:1'", f"9: listen: '[::zz]:1' is no address: {ADVICE}"),
        ("[127.0.0.1:1, 127.0.0.1:1]", "23: listen: '127.0.0.1:1' is given twice: remove one"),
    ],
)  # fmt: skip
def test_what_is_no_address_says_how_to_write_one(problems, text, told):
    assert problems(f"listen: {text}\nmodels: {{}}") == [f"swapd.yaml:1:{told}"]


def test_a_malformed_ipv6_address_is_told(problems):
    (told,) = problems("listen: '[1:2]:1'\nmodels: {}")
    assert told.startswith("swapd.yaml:1:9: listen: ")


GUARD = "set 'clients' or 'admin.key', listen on 127.0.0.1, or say 'insecure: true'"


@pytest.mark.parametrize("address", ["0.0.0.0:1", "192.168.1.5:1", "[::]:1", "box.home.arpa:1"])
def test_listening_to_the_world_without_a_key_is_refused(problems, address):
    assert problems(f"listen: '{address}'\nmodels: {{}}") == [
        f"swapd.yaml:1:9: listen: {address} can be reached from other machines and no key guards it: {GUARD}"
    ]


@pytest.mark.parametrize(
    "more",
    [
        "insecure: true",
        "admin: {key: k}",
        "clients: {a: {key: sk-12345}}",
        "listen: [127.0.0.2:1, localhost:1, '[::1]:1', 'unix:/s']",
    ],
)
def test_a_key_a_word_or_loopback_is_enough(problems, more):
    listen = "" if "listen" in more else "listen: 0.0.0.0:1\n"
    assert problems(f"{listen}{more}\nmodels: {{}}") == []


def test_a_key_for_the_operator_alone_leaves_the_models_open_and_that_is_told(warnings):
    world = "listen: 0.0.0.0:1\nadmin: {key: k}\nmodels: {}"
    assert warnings(world) == [
        "swapd.yaml:1:9: listen: 0.0.0.0:1 can be reached from other machines, and 'admin.key' does not guard the "
        "models: set 'clients', or say 'insecure: true' if all may use them"
    ]
    assert warnings(f"insecure: true\n{world}") == []


def test_an_empty_admin_section_guards_nothing(problems):
    assert len(problems("listen: 0.0.0.0:1\nadmin: {}\nmodels: {}")) == 1


def test_an_empty_key_is_refused(problems):
    assert problems("admin: {key: '${env.K}'}\nmodels: {}", environ={"K": ""}) == [
        "swapd.yaml:1:14: admin.key: is empty: give it a value or remove the key"
    ]


def test_a_key_and_a_key_file_do_not_go_together(problems, tmp_path):
    (tmp_path / "key").write_text("a-good-key")
    assert problems("admin: {key: k, key_file: key}\nmodels: {}") == [
        "swapd.yaml:1:8: admin: has both 'key' and 'key_file': keep one of them"
    ]


def test_all_settings_arrive(loaded, tmp_path):
    text = (
        "listen: 127.0.0.1:1\nlog: {level: debug, format: json}\nadmin: {key: '${env.K}'}\n"
        "insecure: yes\nlimits: {body: 1MiB, upload: 2GiB, connections: 9}\nstate_dir: kept\n"
        "trace: ~/trace.jsonl\nmodels: {}\n"
    )
    assert loaded(text, environ={"K": "secret", "HOME": "/home/ada"}).settings == Settings(
        listen=(Address("127.0.0.1", 1),),
        admin_key="secret",
        insecure=True,
        limits=Limits(body=1 << 20, upload=2 << 30, connections=9),
        log=LogSettings("debug", "json"),
        state_dir=f"{tmp_path}/kept",
        trace="/home/ada/trace.jsonl",
    )


def test_without_a_word_all_settings_are_the_usual_ones(loaded):
    assert loaded("models: {}").settings == Settings(state_dir="/home/ada/.local/state/swapd")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, "/h/.local/state/swapd"),
        ({"XDG_STATE_HOME": "/x"}, "/x/swapd"),
        ({"XDG_STATE_HOME": "relative"}, "/h/.local/state/swapd"),
        ({"XDG_STATE_HOME": ""}, "/h/.local/state/swapd"),
        ({"STATE_DIRECTORY": "/var/lib/swapd", "XDG_STATE_HOME": "/x"}, "/var/lib/swapd"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/x"}, "/x/swapd"),
    ],
)
def test_the_state_folder_is_systemd_s_else_the_user_s(loaded, environ, folder):
    assert loaded("models: {}", environ={"HOME": "/h"} | environ).settings.state_dir == folder


def test_a_configured_state_folder_wins(loaded):
    text = "state_dir: /given\nmodels: {}"
    assert loaded(text, environ={"STATE_DIRECTORY": "/var/lib/swapd"}).settings.state_dir == "/given"


@pytest.mark.parametrize("key", ["state_dir", "trace"])
def test_an_empty_path_is_told(problems, key):
    told = f"swapd.yaml:1:{len(key) + 3}: {key}: is empty: give it a path or remove the key"
    assert problems(f"{key}: ''\nmodels: {{}}") == [told]
