"""Whom the front door trusts: web pages, names, proxies."""

from __future__ import annotations

import pytest

from swapd.config import changes


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("https://chat.home.arpa", ("https://chat.home.arpa",)),
        ("[HTTP://Box:3000, 'http://[::1]:8080']", ("http://box:3000", "http://[::1]:8080")),
        ("[chrome-extension://abcdef, http://10.0.0.2:443]", ("chrome-extension://abcdef", "http://10.0.0.2:443")),
        ("'*'", ("*",)),
        ("[]", ()),
    ],
)
def test_an_origin_is_what_browsers_send(loaded, text, origins):
    assert loaded(f"cors: {{origins: {text}}}\nmodels: {{}}").settings.origins == origins


NONE = (
    "is no origin: write it like https://chat.home.arpa or http://10.0.0.2:3000, "
    "with no '/' at its end and no '*' in it"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("chat.home.arpa", NONE),
        ("https://chat.home.arpa/", NONE),
        ("https://*.home.arpa", NONE),
        ("https://a:443", "names the usual port, which browsers leave out: remove ':443'"),
    ],
)
def test_a_wrong_origin_is_told_at_its_place(problems, text, told):
    assert problems(f"cors:\n  origins:\n  - https://b\n  - '{text}'\nmodels: {{}}") == [
        f"swapd.yaml:4:5: cors.origins[1]: '{text}' {told}"
    ]


def test_all_pages_and_some_cannot_both_be_meant(problems):
    assert problems("cors: {origins: ['*', https://b]}\nmodels: {}") == [
        "swapd.yaml:1:17: cors.origins: '*' lets every page in: leave it alone or remove it"
    ]


def test_a_host_is_a_name_in_any_case(loaded):
    assert loaded("hosts: [Swapd.Home.Arpa., box]\nmodels: {}").settings.hosts == ("swapd.home.arpa", "box")


@pytest.mark.parametrize("text", ["box:9292", "http://box", "a..b", "b\u00fc"])
def test_what_is_no_host_is_told(problems, text):
    assert problems(f"hosts: ['{text}']\nmodels: {{}}") == [
        f"swapd.yaml:1:9: hosts[0]: '{text}' is no name of a host: write it like swapd.home.arpa, without a port"
    ]


def test_a_proxy_is_an_address_a_network_or_whoever_comes_by_a_unix_socket(loaded):
    found = loaded("trusted_proxies: [10.0.0.1, 192.168.0.0/24, '::1', unix]\nmodels: {}").settings.trusted_proxies
    assert found == ("10.0.0.1/32", "192.168.0.0/24", "::1/128", "unix")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("box", "'box' does not appear to be an IPv4 or IPv6 network"),
        ("10.0.0.1/24", "10.0.0.1/24 has host bits set"),
    ],
)
def test_what_is_no_proxy_is_told(problems, text, why):
    assert problems(f"trusted_proxies: {text}\nmodels: {{}}") == [
        f"swapd.yaml:1:18: trusted_proxies: {why}: write an address, a network like 192.168.0.0/24, or 'unix'"
    ]


def test_rows_of_requests_can_be_left_out(loaded):
    assert loaded("models: {}").settings.log.access
    assert not loaded("log: {access: false}\nmodels: {}").settings.log.access


def test_an_edit_of_any_of_it_applies_at_once(loaded):
    old = loaded("models: {}")
    new = loaded("cors: {origins: '*'}\nhosts: box\ntrusted_proxies: unix\nlog: {access: false}\nmodels: {}")
    found = changes(old.catalog, new.catalog, old.settings, new.settings)
    assert (found.settings, found.needs_restart) == (("cors", "hosts", "log", "trusted_proxies"), ())
