"""The page's own files: small, its own, and without a way for text to become markup."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

UI = Path(__file__).parents[2] / "swapd" / "web" / "ui"
FILES = sorted(UI.iterdir())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_is_small_and_asks_nobody_else(path):
    text = path.read_text()
    assert text.count("\n") <= 300
    outside = set(re.findall(r"https?://[^\s\"'`]+", text)) - {"http://www.w3.org/2000/svg"}
    assert outside == set()


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name)
def test_no_module_makes_markup_or_code_of_text(path):
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc", path.read_text()
    )


def test_the_page_names_only_files_that_are_there_and_has_nothing_inline():
    page = (UI / "index.html").read_text()
    named = set(re.findall(r'(?:href|src)="ui/([^"]+)"', page))
    assert named <= {path.name for path in FILES}
    assert not re.search(r"<style|style=|\son\w+=|<script>", page)


def test_the_whole_of_it_is_little_on_the_wire():
    assert sum(len(gzip.compress(path.read_bytes())) for path in FILES) < 64 << 10
