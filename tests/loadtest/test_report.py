"""The page: it stands alone, and whatever a server or a config says is text in it."""

from __future__ import annotations

import re
from array import array
from xml.etree import ElementTree

import pytest

from swapd.loadtest.course import Course, Load
from swapd.loadtest.outcome import Notes, Outcome, Times, Tokens, Trouble
from swapd.loadtest.question import Form
from swapd.loadtest.report import page
from swapd.loadtest.result import told
from swapd.loadtest.side import Side
from swapd.loadtest.swaps import Swaps

HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e\"&"


def outcome(start: float, seconds: float, model: str = "m") -> Outcome:
    times = Times(start, start + seconds / 4, start + seconds / 2, start + seconds, start + seconds)
    return Outcome(model, times, array("d", [0.0, seconds / 2]), Tokens(5, 3), Notes(0.01, 0.02, f"{model}#1"))


def loaded(*names: str, count: int = 60) -> Course:
    course = Course(Load(Form(), requests=count), [Side(n, "http://h", (HOSTILE, "b")) for n in names])
    for party in course.parties:
        party.turns.seconds = 3.0
        for n in range(count):
            party.sent += 1
            party.take(outcome(course.began + n / 10, 0.1 + n / 100))
        party.sent += 1
        party.take(Outcome("b", Times(0.0, ended=1.0), trouble=Trouble(f"http_500 {HOSTILE}", HOSTILE)))
    return course


def pages(run: Course | Swaps) -> str:
    return page(run, told(run, HOSTILE, 3.0, True))


def svgs(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]


@pytest.mark.parametrize("names", ["A", "AB", "ABCDE"])
def test_a_report_has_its_pictures_and_needs_nothing_beside_it(names):
    text = pages(loaded(*names))
    assert len(svgs(text)) == 3
    assert "default-src 'none'" in text
    for far in ("<script", 'http-equiv="refresh', "src=", "url(", "@import", "<link", "href", "onload"):
        assert far not in text, far
    assert text.count("<section>") == len(names) + len(names) - 1 + 3


def test_hostile_names_and_messages_are_text():
    text = pages(loaded("A"))
    assert "&lt;script&gt;" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    text.encode()


def test_a_report_of_nothing_says_so():
    for run in (
        Course(Load(Form()), [Side("A", "u", ("m",))]),
        Swaps(Load(Form()), [Side("A", "u", ("a", "b"))], 3),
    ):
        text = pages(run)
        assert "Nothing was answered." in text
        assert svgs(text) == []


def test_a_swap_report_has_a_row_of_dots_for_each_model_warm_and_swapped_in():
    swaps = Swaps(Load(Form()), [Side("A", "u", (HOSTILE, "b"))], 6)
    for change in swaps.changes[0]:
        for n in range(6):
            change.add(outcome(n, 1.0, change.model), outcome(n, 0.1, change.model))
    [svg] = svgs(pages(swaps))
    assert len(svg.findall(".//g")) == 4
    assert len(svg.findall(".//circle")) == 24
