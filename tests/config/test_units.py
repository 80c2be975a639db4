"""Single values, right and wrong."""

from __future__ import annotations

import pytest

from swapd.config import units
from swapd.core.settings import Window


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("15m", 900), ("1h", 3600), ("2d", 172800), ("1.5h", 5400), ("7", 7), ("0", 0)],
)
def test_durations_are_seconds(text, seconds):
    assert units.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5x", "-5s", "s", "1h30", "10 minutes", "1e3s", "9" * 400, "٣s", "nan"])
def test_what_is_no_duration_says_how_to_write_one(text):
    with pytest.raises(ValueError, match="is not a duration: write it like 500ms, 30s, 15m, 1h or 2d"):
        units.duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MiB", 512 << 20),
        ("22GiB", 22 << 30),
        ("100MB", 100_000_000),
        ("1.5KiB", 1536),
        ("1 TB", 10**12),
        ("7", 7),
    ],
)
def test_sizes_are_bytes(text, size):
    assert units.size(text) == size


@pytest.mark.parametrize("text", ["", "22G", "-1MiB", "MiB", "22gib"])
def test_what_is_no_size_says_how_to_write_one(text):
    with pytest.raises(ValueError, match="is not a size: write it like 512MiB, 22GiB or 100MB"):
        units.size(text)


def test_whole_numbers_have_a_least():
    assert units.whole(1)("3") == 3
    assert units.whole(None)("-3") == -3
    with pytest.raises(ValueError, match="0 is too small: the least is 1"):
        units.whole(1)("0")
    with pytest.raises(ValueError, match=r"'1\.5' is not a whole number"):
        units.whole(0)("1.5")
    with pytest.raises(ValueError, match=r"'32k' is not a whole number \(write it out: 32768\)"):
        units.whole(0)("32k")
    with pytest.raises(ValueError, match="is not a whole number"):
        units.whole(0)("9" * 5000)


@pytest.mark.parametrize("text", ["true", "True", "yes", "on", "ON"])
def test_every_yes_of_older_yaml_is_true(text):
    assert units.boolean(text) is True


@pytest.mark.parametrize("text", ["false", "no", "off", "No"])
def test_every_no_of_older_yaml_is_false(text):
    assert units.boolean(text) is False


def test_other_words_are_neither_true_nor_false():
    with pytest.raises(ValueError, match="'y' is neither true nor false"):
        units.boolean("y")


def test_a_word_stands_beside_numbers_and_a_misspelled_one_is_suggested():
    read = units.word({"never": None}, units.duration)
    assert read("never") is None
    assert read("1s") == 1
    with pytest.raises(ValueError, match=r"'nevr' is not a duration: .*, or never \(did you mean 'never'\?\)"):
        read("nevr")


def test_a_choice_names_its_options():
    with pytest.raises(ValueError, match=r"'INFO' is not one of debug, info \(did you mean 'info'\?\)"):
        units.choice("debug", "info")("INFO")


def test_memory_has_a_unit_and_is_none_only_where_that_means_something():
    assert units.memory("1GiB")("512 MiB") == 512 << 20
    assert units.memory("1GiB", zero=True)("0") == units.memory("1GiB", zero=True)("0MB") == 0
    for wrong in ("0", "0MB", "7", "0.1B"):
        with pytest.raises(ValueError, match=f"is memory: give it a size such as 1GiB, not '{wrong}'"):
            units.memory("1GiB")(wrong)
    with pytest.raises(ValueError, match="is memory: give it a size such as 1GiB, not '7'"):
        units.memory("1GiB", zero=True)("7")


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0B"), (1023, "1023B"), (1536, "1.5KiB"), (22 << 30, "22GiB"), ((22 << 30) + (1 << 20), "22.001GiB"),
     (1 << 40, "1TiB"), (2000 << 40, "2000TiB")],
)  # fmt: skip
def test_sizes_are_told_as_they_are_written(amount, text):
    assert units.sized(amount) == text
    assert abs(units.size(text) - amount) <= amount / 10_000


def test_counters_are_whole_and_no_sizes():
    assert units.counter("3") == 3
    with pytest.raises(ValueError, match="'22GiB' is a size, and this is a plain counter: write a whole number"):
        units.counter("22GiB")
    with pytest.raises(ValueError, match="'some' is not a count: write a whole number such as 1"):
        units.counter("some")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("12", 12), ("-3", -3),
        ("0.5", 0.5), ("1e-3", 0.001), ("-.5", -0.5), ("1.", 1.0), ("0xff", 255), ("yes", "yes"), ("off", "off"),
        ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), (".inf", ".inf"), (".nan", ".nan"),
        ("1_000", "1_000"), ("1e999", "1e999"),
    ],
)  # fmt: skip
def test_free_data_is_what_yaml_1_2_says(text, value):
    assert units.natural(text) == value
    assert type(units.natural(text)) is type(value)


def test_an_empty_text_is_refused():
    assert units.text("x") == "x"
    with pytest.raises(ValueError, match="is empty: give it a value or remove the key"):
        units.text(" ")


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("120/min", Window(120, 60)),
        ("10/s", Window(10, 1)),
        ("10/sec", Window(10, 1)),
        ("50k/h", Window(50_000, 3600)),
        ("1.5k / hour", Window(1500, 3600)),
        ("2.5 M/day", Window(2_500_000, 86400)),
    ],
)
def test_rates_are_amounts_within_a_while(text, window):
    assert units.rate(text) == window


@pytest.mark.parametrize("text", ["", "120", "120/", "/min", "-5/min", "5/m", "5G/min", "1e3/s", "5/5min", "٣/s"])
def test_what_is_no_rate_says_how_to_write_one(text):
    with pytest.raises(ValueError, match=r"is not a rate.*: write it like 10/s, 120/min, 50k/hour or 1M/day"):
        units.rate(text)


def test_a_rate_that_lets_nothing_whole_through_is_refused_and_a_unit_close_by_suggested():
    with pytest.raises(ValueError, match="'0k/day' lets nothing through: give at least 1/day, or remove the key"):
        units.rate("0k/day")
    with pytest.raises(ValueError, match=r"'0.5/min' is not a whole number: count over a longer time"):
        units.rate("0.5/min")
    with pytest.raises(ValueError, match=r"'5/minute' is not a rate \(did you mean 'min'\?\)"):
        units.rate("5/minute")
