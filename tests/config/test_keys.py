"""Whom the config lets in, and that no key is ever shown."""

from __future__ import annotations

import json

import pytest

from swapd.config import Changes, changes, load
from swapd.config.schema import Client
from swapd.core.settings import ClientKey, Settings, Window

KEY = "sk-swapd-never-to-be-shown"
MODELS = "models: {qwen: {command: 'sh ${port}', aliases: [gpt-4o]}, qmd-embed: {command: 'sh ${port}'}}\n"


@pytest.fixture
def key_file(tmp_path):
    """Write a key that only its owner can read."""

    def write(text: str | bytes, name: str = "key", mode: int = 0o600) -> None:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)

    return write


def test_all_that_a_client_may_do_arrives(loaded, key_file, tmp_path):
    key_file(" sk-laptop\n")
    key_file("sk-phone-1\n", "phone", 0o440)
    text = (
        'clients:\n  web: {key: "${env.WEB}", models: ["*"], rate: 120/min, concurrency: 8}\n'
        "  laptop: {key_file: key, models: [qwen, 'qmd-*'], rate: {requests: 120/min, tokens: 50k/min}}\n"
        f"  phone: {{credential: phone, models: gpt-4o}}\n{MODELS}"
    )
    found = loaded(text, environ={"WEB": KEY, "CREDENTIALS_DIRECTORY": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert (found.problems, found.warnings) == ((), ())
    assert found.settings.clients == (
        ClientKey("web", KEY, ("*",), Window(120, 60.0), None, 8),
        ClientKey("laptop", "sk-laptop", ("qwen", "qmd-*"), Window(120, 60.0), Window(50_000, 60.0)),
        ClientKey("phone", "sk-phone-1", ("gpt-4o",)),
    )
    assert found.files == (tmp_path / "swapd.yaml", tmp_path / "key", tmp_path / "phone")


def test_an_edit_of_a_key_file_changes_the_clients_at_once_and_nothing_else(tmp_path, key_file):
    key_file("sk-before")
    path = tmp_path / "swapd.yaml"
    path.write_text(f"{MODELS}clients:\n  a: {{key_file: key}}\n")
    old = load(path, {})
    key_file("sk-afterwards")
    new = load(path, {}, past=old.past)
    assert [client.key for client in new.settings.clients] == ["sk-afterwards"]
    assert changes(old.catalog, new.catalog, old.settings, new.settings) == Changes(settings=("clients",))


def test_without_clients_everybody_is_let_in(loaded):
    assert loaded("models: {}").settings.clients is None


@pytest.mark.parametrize("nobody", ["{}", "", "null"])
def test_clients_that_name_nobody_are_a_problem(problems, nobody):
    assert problems(f"clients: {nobody}\nmodels: {{}}") == [
        f"swapd.yaml:1:{10 if nobody else 9}: clients: names nobody: give one a key, or remove it"
    ]


LACKS = "has no key: give it 'key', 'key_file' or 'credential' (`swapd key` makes a key)"
BLANK = "holds a blank or a control character: `swapd key` makes a good one"
SHORT = "has 7 characters, not 8 to 4096: `swapd key` makes one"


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("a: {}", f"11: clients.a: {LACKS}"),
        ("a: ", f"11: clients.a: {LACKS}"),
        ("a: {models: [qwen]}", f"11: clients.a: {LACKS}"),
        ("a: {kye: x}", "15: clients.a.kye: there is no key 'kye' here (did you mean 'key'?)"),
        ("a: {key: sk-12345, key_file: f}", "14: clients.a: has both 'key' and 'key_file': keep one of them"),
        ("a: {key: sk-1234}", f"20: clients.a.key: {SHORT}"),
        ("a: {key: }", "20: clients.a.key: is empty: give it a value or remove the key"),
        ("a: {key: 'sk 123456'}", f"20: clients.a.key: {BLANK}"),
        ("a: {key: [x]}", "20: clients.a.key: must be a single value, not a list"),
        ("a: {credential: a/b}", "27: clients.a.credential: 'a/b' is not a credential's name: "
         "give the part before ':' in 'LoadCredential='"),
        ("a: {credential: b}", "27: clients.a.credential: cannot read the credential 'b': $CREDENTIALS_DIRECTORY "
         "is not set; say 'LoadCredential=b:PATH' in swapd's unit, or give a 'key_file'"),
        ("a: {key: sk-12345, rate: 5}",
         "36: clients.a.rate: '5' is not a rate: write it like 10/s, 120/min, 50k/hour or 1M/day"),
        ("a: {key: sk-12345, rate: {tokens: 0/min}}",
         "45: clients.a.rate.tokens: '0/min' lets nothing through: give at least 1/min, or remove the key"),
        (
            "a: {key: sk-12345, rate: [5]}",
            "36: clients.a.rate: must be a mapping of keys ('requests', 'tokens'), not a list",
        ),
        ("a: {key: sk-12345, rate: }", "36: clients.a.rate: is empty: give it a value or remove the key"),
        ("a: {key: sk-12345, concurrency: 0}", "43: clients.a.concurrency: 0 is too small: the least is 1"),
        ("'': {key: sk-12345}", "11: clients.: '' cannot be a client's name: give it one that can be printed"),
        ("a: {key: sk-12345}, b: {key: sk-12345}",
         "40: clients.b.key: is the key of 'clients.a' too: give each its own"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_at_its_place(problems, tmp_path, client, told):
    (tmp_path / "f").write_text("sk-12345")
    assert problems(f"clients: {{{client}}}\nmodels: {{}}") == [f"swapd.yaml:1:{told}"]


@pytest.mark.parametrize("admin", ["{key: sk-12345}", "{key_file: key}"])
def test_the_operators_key_is_no_clients_key(problems, key_file, admin):
    key_file("sk-12345")
    assert problems(f"admin: {admin}\nclients: {{a: {{key_file: key}}}}\nmodels: {{}}") == [
        "swapd.yaml:2:25: clients.a.key_file: is the key of 'admin.key' too: give each its own"
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot read the key in 'key': No such file or directory; put one line into it"),
        ("\n", "cannot read the key in 'key': it is empty; put one line into it"),
        (b"\xff" * 9, "cannot read the key in 'key': it is not text; put one line into it"),
        ("k" * 20_000, "cannot read the key in 'key': it is too large for a key; put one line into it"),
        ("sk-1234", f"the key in it {SHORT}"),
        ("sk-12345\nsk-23456", f"the key in it {BLANK}"),
    ],
)
def test_a_file_without_a_good_key_is_a_problem_and_is_watched(loaded, tmp_path, key_file, content, told):
    if content is not None:
        key_file(content)
    found = loaded("clients:\n  a: {key_file: key}\nmodels: {}")
    (problem,) = found.problems
    assert (problem.line, problem.column, problem.key) == (2, 17, "clients.a.key_file")
    assert problem.message.replace(f"{tmp_path}/", "") == told
    assert tmp_path / "key" in found.files


def test_a_folder_is_no_key_file(problems, tmp_path):
    (tmp_path / "key").mkdir()
    (told,) = problems("clients: {a: {key_file: key}}\nmodels: {}")
    assert "cannot read the key in 'key': it is not a file" in told


def test_a_credential_that_is_not_there_says_where_it_comes_from(problems, tmp_path):
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert problems("clients: {a: {credential: phone}}\nmodels: {}", environ=environ) == [
        "swapd.yaml:1:27: clients.a.credential: cannot read the key in 'phone': No such file or directory; "
        "say 'LoadCredential=phone:PATH' in swapd's unit"
    ]


@pytest.mark.parametrize("section", ["admin: {key_file: key}", "clients: {a: {key_file: key}}"])
@pytest.mark.parametrize(("key", "told"), [("short", "has 5 characters"), ("two words", "holds a blank")])
def test_a_key_in_a_file_is_one_that_a_header_can_carry(problems, tmp_path, section, key, told):
    (tmp_path / "key").write_text(key)
    (tmp_path / "key").chmod(0o600)
    (problem,) = problems(f"{section}\nmodels: {{}}")
    assert f"key_file: the key in it {told}" in problem
    assert key not in problem


@pytest.mark.parametrize("section", ["admin: {key_file: key}", "clients: {a: {key_file: key}}"])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_file_that_others_can_read_is_a_warning(warnings, key_file, section, mode):
    key_file("sk-12345", mode=mode)
    (told,) = warnings(f"{section}\nmodels: {{}}")
    assert told.endswith(".key_file: 'key' is open to others than its owner: say chmod 600 key")


def test_models_that_nobody_has_are_a_warning_with_the_closest_name(warnings):
    text = f"{MODELS}clients:\n  a:\n    key: sk-12345\n    models: ['*', qwne, 'q*', 'qmd-emebd*', GPT-4O]\n"
    assert warnings(text, environ={"PATH": "/usr/bin:/bin"}) == [
        "swapd.yaml:5:19: clients.a.models: no model, alias or pool matches 'qwne' (did you mean 'qwen'?): "
        "mend it, or remove it",
        "swapd.yaml:5:31: clients.a.models: no model, alias or pool matches 'qmd-emebd*' "
        "(did you mean 'qmd-embed'?): mend it, or remove it",
        "swapd.yaml:5:45: clients.a.models: no model, alias or pool matches 'GPT-4O' (did you mean 'gpt-4o'?): "
        "mend it, or remove it",
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"clients: {KEY}",
        f"clients: [{KEY}]",
        f"clients: {{a: {KEY}}}",
        f"clients: {{a: [{KEY}]}}",
        f"clients: {{a: {{key: [{KEY}]}}}}",
        f"clients: {{a: {{key: '{KEY} {KEY}'}}}}",
        f"clients: {{a: {{key: {KEY}}}, b: {{key: {KEY}}}}}",
        f"clients: {{a: {{key: {KEY * 200}}}}}",
        f"admin: {KEY}",
        f"admin: {{key: {KEY}}}\nclients: {{a: {{key: {KEY}}}}}",
    ],
)
def test_no_problem_shows_a_key(loaded, text):
    found = loaded(f"{text}\nmodels: {{}}")
    assert found.problems
    assert KEY not in json.dumps([str(problem) for problem in found.problems]) + repr(found)


def test_what_holds_a_key_shows_it_in_no_repr(loaded):
    found = loaded(f"admin: {{key: {KEY}}}\nclients: {{a: {{key: x{KEY}, models: '*'}}}}\nmodels: {{}}")
    assert found.warnings == ()
    assert found.settings.clients[0].key == f"x{KEY}"
    assert KEY not in repr(found) + repr(found.settings) + repr(Client(key=KEY)) + repr(Settings(admin_key=KEY))
