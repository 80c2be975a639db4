"""Where the config is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapd.config import ConfigNotFound, find_config


@pytest.fixture
def box(tmp_path):
    (tmp_path / "cwd").mkdir()
    (tmp_path / "home/.config/swapd").mkdir(parents=True)
    return tmp_path


def find(box: Path, explicit: str | None = None, **environ: str) -> Path:
    return find_config(explicit, {"HOME": f"{box}/home", **environ}, box / "cwd")


def test_what_is_named_wins_even_if_it_is_missing(box):
    (box / "cwd/swapd.yaml").touch()
    assert find(box, "other.yaml", SWAPD_CONFIG="/e.yaml") == box / "cwd/other.yaml"
    assert find(box, "/abs.yaml") == Path("/abs.yaml")
    assert find(box, SWAPD_CONFIG="/e.yaml") == Path("/e.yaml")


def test_the_working_folder_comes_before_the_home(box):
    at_home, here = box / "home/.config/swapd/swapd.yaml", box / "cwd/swapd.yaml"
    at_home.touch()
    assert find(box) == at_home
    here.touch()
    assert find(box) == here
    assert find(box, SWAPD_CONFIG="") == here


def test_nothing_found_names_every_place_and_what_to_do(box):
    with pytest.raises(ConfigNotFound) as caught:
        find(box)
    assert str(caught.value) == (
        f"cannot find a config: looked for {box}/cwd/swapd.yaml, {box}/home/.config/swapd/swapd.yaml, "
        "/etc/swapd/swapd.yaml; write one of them, or name yours with --config or SWAPD_CONFIG"
    )
