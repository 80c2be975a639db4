"""What `swapd service` would write, without any systemd; with one: ``tests/systemd``."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

from swapd.cli.failure import Failed
from swapd.cli.service import files
from swapd.cli.service.install import listening

PROJECT = Path(__file__).parents[2]
WANTED = files.Wanted(Path("/opt/swapd/bin/swapd"), Path("/srv/my models/swapd.yaml"), ("amd",), ("[::1]:80",))


@pytest.fixture
def place(tmp_path):
    return files.of_machine(tmp_path)


def test_the_unit_names_this_program_and_this_config_and_no_other(place):
    unit = files.texts(place, WANTED)[place.service]
    assert 'ExecStart=/opt/swapd/bin/swapd serve --config "/srv/my models/swapd.yaml"\n' in unit
    assert "/usr/local/bin" not in unit
    assert "ExecStopPost=/opt/swapd/bin/swapd reap --config" in unit
    assert files.config_of(unit) == WANTED.config


def test_a_user_s_unit_needs_no_user_of_its_own_and_no_devices():
    place = files.of_user({"XDG_CONFIG_HOME": "/home/ann/.config"})
    texts = files.texts(place, WANTED)
    assert set(texts) == {place.service, place.socket}
    assert place.service == Path("/home/ann/.config/systemd/user/swapd.service")
    assert "User=" not in texts[place.service]
    assert "%h" not in texts[place.service]


def test_the_socket_listens_where_the_config_says(place):
    socket = files.texts(place, WANTED)[place.socket]
    assert [line for line in socket.splitlines() if line.startswith("ListenStream=")] == ["ListenStream=[::1]:80"]


def test_a_file_is_known_as_ours_until_somebody_edits_it(place):
    now, before = (files.texts(place, files.Wanted(Path(p), WANTED.config))[place.service] for p in ("/a", "/b"))
    assert files.state_of(place.service, now) == "missing"
    files.put(place.service, before)
    assert files.state_of(place.service, before) == "as it should be"
    assert files.state_of(place.service, now) == "outdated"
    place.service.write_text(before + "# mine\n")
    assert files.state_of(place.service, now) == "edited"


def test_what_was_edited_is_kept_beside(place):
    text = files.texts(place, WANTED)[place.service]
    place.service.parent.mkdir(parents=True)
    place.service.write_text("mine")
    kept = files.put(place.service, text)
    assert (kept.read_text(), place.service.read_text()) == ("mine", text)
    assert files.put(place.service, text) is None
    assert sorted(path.name for path in place.units.iterdir()) == ["swapd.service", "swapd.service.edited"]


@pytest.mark.parametrize(
    ("nodes", "vendors"),
    [
        ({}, ()),
        ({"dev/nvidiactl": ""}, ("nvidia",)),
        ({"dev/kfd": ""}, ("amd",)),
        ({"sys/class/drm/renderD128/device/vendor": "0x8086\n", "dev/nvidia0": ""}, ("nvidia", "intel")),
        ({"sys/class/drm/renderD128/device/vendor": "0x1af4\n"}, ()),
    ],
)
def test_gpus_are_known_by_their_nodes(tmp_path, nodes, vendors):
    for name, text in nodes.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert files.gpus(tmp_path) == vendors


def test_a_program_in_a_closed_home_is_noticed(tmp_path):
    program = tmp_path / "home/bin/swapd"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    (tmp_path / "home").chmod(0o700)
    assert [path for path, _ in files.closed([program, Path("/usr/bin/env")])] == [program]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/opt/swapd", "/opt/swapd"),
        ("/a b", '"/a b"'),
        ("/50%", "/50%%"),
        ("/$x", "/$$x"),
        ('/"', '"/\\""'),
        ("/a\\b", '"/a\\\\b"'),
    ],
)
def test_paths_are_written_as_systemd_reads_them_and_read_again(path, text):
    assert files.quoted(Path(path)) == text
    assert files.config_of(f"ExecStart=/swapd serve --config {text}\n") == Path(path)


def test_systemd_is_to_hold_addresses_as_it_reads_them(tmp_path):
    config = tmp_path / "swapd.yaml"
    config.write_text("listen: ['localhost:9292', '[::1]:80', 'unix:/run/50%.sock']\nmodels: {}\n")
    assert listening(config, {}) == ("127.0.0.1:9292", "[::1]:80", "/run/50%%.sock")
    assert listening(tmp_path / "none.yaml", {}) == ("127.0.0.1:9292",)


def test_what_a_verb_complains_of_is_an_error_in_the_journal(tmp_path, monkeypatch):
    with (tmp_path / "journal").open("w+") as file:
        info = os.fstat(file.fileno())
        monkeypatch.setattr(sys, "stderr", file)
        for place in (f"{info.st_dev}:{info.st_ino}", f"{info.st_dev}:1"):
            monkeypatch.setenv("JOURNAL_STREAM", place)
            Failed("cannot serve\nthe reason").show()
        file.seek(0)
        assert file.read().split("\n")[:-1] == [
            "<3>swapd: cannot serve",
            "<3>the reason",
            "swapd: cannot serve",
            "the reason",
        ]


def test_a_wheel_brings_the_units_along():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {"systemd": "swapd/cli/units"}
