"""The pictures of ``swapd top``: what is on them, and that no line is wider than the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.cells import cell_len

from swapd.cli.top.frame import Look, frame, snapshot
from swapd.cli.top.glyphs import FINE, PLAIN, fits
from swapd.cli.top.pages import KEPT, LONGEST, Log
from swapd.cli.top.press import press
from swapd.cli.top.screen import Level, Mode, Note, Page, Pane
from tests.cli.top_scenes import MOMENT, NOW, ago, lines, look, memory, model, scene

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07evil",
    "tab\tand\nline\r",
    "日本語のモデル名" * 9,
    "👩‍👩‍👧‍👦🇩🇪❤️" * 9,
    "e" + "\u0301" * 5000,
    "\u202egnp.exe",
    "\ud800",
    "x" * 100_000,
    "",
]


def row_of(shown: list[str], name: str) -> str:
    return next(line for line in shown if name in line)


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("height", [5, 8, 24, 60])
@pytest.mark.parametrize("page", list(Page))
def test_a_picture_has_as_many_lines_as_the_screen_and_none_is_wider(width, height, page):
    found = scene(width=width, height=height, page=page, chosen="broken")
    found.log = Log("broken")
    found.log.add("x" * 300 + "\n" + "short\n" * 80)
    found.details = ["broken is in backoff", "  " + "because " * 40]
    for glyphs in (FINE, PLAIN):
        shown = lines(found, glyphs)
        assert len(shown) == height
        assert max(map(cell_len, shown)) <= width


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_a_model_is_called_nothing_drives_the_terminal_and_no_line_is_wider(name):
    hostile = model(
        name, "ready", leases=1, aliases=[name], last_swap={"at": ago(1), "text": name}, short=name, pinned=True
    )
    for width in (40, 80, 200):
        found = scene([hostile], width=width, chosen=name)
        found.mirror.hear("told", {"type": name, "at": ago(0), "text": name}, MOMENT)
        found.note = Note(name)
        for page in (Page.MODELS, Page.EVENTS, Page.LOG):
            found.screen, found.log = replace(found.screen, page=page), Log(name)
            found.log.add(f"{name}\n")
            shown = lines(found)
            assert max(map(cell_len, shown)) <= width
            assert all(letter.isprintable() for line in shown for letter in line)
            assert max(map(len, shown)) <= width * 9


def test_at_80_columns_one_sees_state_slots_queue_with_its_age_speed_and_memory():
    shown = lines(scene(chosen="qwen3-coder-30b"))
    assert row_of(shown, "▶").split() == [
        "▶", "qwen3-coder-30b", "●", "ready", "2/4", "3", "12s", "87", "18.4/19.0", "GiB",
    ]  # fmt: skip
    told = f"swapd 0.1.0 http://127.0.0.1:9292 up 2h 3m 0.0 req/s 0 tok/s {NOW:%H:%M:%S}"
    assert shown[0].split() == told.split()
    assert "waits for a free slot" in shown[-2]
    assert shown[-1].split()[:4] == ["q", "quit", "?", "help"]


def test_a_wider_screen_has_the_device_and_the_last_swap_too():
    wide = "\n".join(lines(scene(width=120)))
    assert "DEVICE" in wide
    assert "CUDA0+1" in wide
    assert "gemma-3-4b ->" in row_of(lines(scene(width=120)), "qwen3-coder-30b    ●")
    widest = lines(scene(width=200))
    assert "99120" in row_of(widest, "embeddinggemma")
    assert "1d 1h" in row_of(widest, "embeddinggemma")
    assert "remote" in row_of(widest, "desktop")


def test_in_40_columns_name_state_slots_and_queue_are_left():
    shown = lines(scene(width=40))
    assert next(line for line in shown if "MODEL" in line).split() == ["MODEL", "STATE", "SLOTS", "QUEUE"]
    assert "3 12s" in row_of(shown, "qwen3-code…")


def test_what_is_up_or_on_its_way_stands_first_then_all_by_name():
    shown = [line[2:].split()[0] for line in lines(scene(width=120)) if "○" in line or "●" in line or "◐" in line]
    assert shown == ["broken", "embeddinggemma", "llama-70b", "qwen3-coder-30b", "desktop", "gemma-3-4b", "huge"]


def test_of_hundreds_of_models_those_around_the_cursor_are_shown():
    many = [model(f"model-{n:03}") for n in range(400)]
    shown = lines(scene(many, chosen="model-200"))
    assert "▶ model-200" in "\n".join(shown)
    assert "models: 400, 19" in "\n".join(shown)
    assert "▶ model-399" in "\n".join(lines(scene(many, chosen="model-399")))


def test_bars_tell_ours_from_others_and_where_the_budget_ends():
    bar = row_of(lines(scene()), "CUDA0")
    assert bar.split()[1].count("█") > 20 * bar.split()[1].count("▓") > 0
    assert bar.split()[1][-3] == "│"
    assert bar.split()[2:] == ["19.0/22.0", "GiB", "3.0", "free", "1.0", "others"]
    assert "engines 3/4" in "\n".join(lines(scene()))


def test_a_memory_that_is_gone_full_or_not_read_is_no_trouble():
    found = scene()
    found.mirror.status["machine"] = {
        "CUDA0": memory(24) | {"lost": True},
        "CUDA1": {"total": None, "budget": None, "used": 0, "free": None, "strangers": 0, "lost": False},
        "ram": memory(0, used=5 << 40, strangers=1 << 40, budget=1),
    }
    shown = lines(found)
    assert "its device does not answer" in row_of(shown, "CUDA0")
    assert "not read" in row_of(shown, "CUDA1")
    assert max(map(cell_len, shown)) <= 80


def test_what_is_the_matter_with_the_chosen_model_is_said_below():
    assert "broken failed: exited with code 1 (the file is cut short)" in lines(scene(chosen="broken"))[-2]
    assert "huge can never be loaded: it needs 90.0 GiB" in lines(scene(chosen="huge"))[-2]


def test_without_fine_characters_all_is_ascii_but_what_others_wrote():
    for width in (40, 80, 200):
        assert all(line.isascii() for line in lines(scene(width=width), PLAIN))


def test_states_are_words_so_that_no_colour_is_needed():
    assert "backoff" in row_of(lines(scene()), "broken")


def test_problems_of_the_config_are_told():
    found = scene()
    found.mirror.status["problems"] = [{"file": "a.yaml", "line": 4, "column": 7, "key": "x", "message": "no"}] * 2
    assert "the config has problems (and 1 more): a.yaml:4:7: no" in "\n".join(lines(found))


def test_a_daemon_that_is_away_is_told_and_its_picture_stays_dimmed():
    found = scene()
    found.away = "swapd is not answering since 12:03:11; trying again"
    rows = frame(found, look())
    assert "not answering since 12:03:11" in rows[-2][1].text
    assert {bit.style for row in rows[:-2] for bit in row} == {"dim"}
    assert "qwen3-coder-30b" in "\n".join(lines(found))


def test_while_the_daemon_is_away_nothing_gets_older():
    found = scene(width=200, chosen="embeddinggemma")
    found.leave("swapd said goodbye at 12:00:00 (goes down); trying again", MOMENT)
    later = Look("http://x", MOMENT + 3600, NOW)
    shown = ["".join(bit.text for bit in row) for row in frame(found, later)]
    assert "  up 2h 3m  " in shown[0]
    assert "1m 15s" in row_of(shown, "embeddinggemma")
    found.leave("swapd is not answering", MOMENT + 5)
    assert "said goodbye" in lines(found)[-2]


def test_what_came_of_a_wish_is_seen_while_the_daemon_is_away_but_not_that_it_was_begun():
    found = scene()
    found.note = Note("loading alpha …")
    found.leave("swapd is not answering since 12:00:00; trying again", MOMENT)
    assert found.note is None
    for text, until, seen in (("loading alpha …", float("inf"), False), ("cannot load alpha", MOMENT + 5, True)):
        found.note = Note(text, Level.WRONG, until)
        assert (text in lines(found)[-2]) is seen


def test_for_how_long_the_daemon_and_the_chosen_engine_are_up_is_told():
    assert "  up 2h 3m  " in lines(scene(width=120))[0]
    assert lines(scene(width=40))[0].startswith(" swapd 0.1.0  up 2h 3m ")
    assert lines(scene(chosen="embeddinggemma"))[-2].strip() == "embeddinggemma ready for 1d 1h"
    old = scene()
    del old.mirror.status["since"]  # a daemon of before says nothing of it
    assert " up " not in lines(old)[0]


def test_long_names_that_differ_at_their_ends_can_be_told_apart():
    names = [f"qwen3-coder-30b-a3b-instruct-{quantized}" for quantized in ("q4_k_m", "q8_0")]
    shown = lines(scene([model(name) for name in names]))
    assert all(row_of(shown, quantized)[2:].startswith("qwen3-c") for quantized in ("q4_k_m", "q8_0"))
    assert all(name in "\n".join(lines(scene([model(name)], width=200))) for name in names)


def test_a_screen_of_five_lines_still_has_a_model():
    assert "▶ broken" in "\n".join(lines(scene(width=40, height=5, chosen="broken")))


def test_on_a_low_screen_events_get_what_the_models_leave():
    many = [model(f"model-{n:03}") for n in range(60)]
    assert sum("model-" in line for line in lines(scene(many, height=15))) == 8
    assert "── events ─" in "\n".join(lines(scene(many[:2], height=15)))


def test_help_says_which_of_its_lines_are_seen_and_what_the_columns_mean():
    found = scene(page=Page.HELP)
    assert "keys, lines 1 to 21 of 27" in lines(found)[0]
    found.screen, _ = press(found.screen, "G", found.shown())
    assert "keys, lines 7 to 27 of 27" in lines(found)[0]
    assert "pinned: is never evicted" in lines(found)[-3]
    assert "requests that wait" in "\n".join(lines(found))


def test_an_empty_page_says_so():
    found = scene(page=Page.LOG, chosen="broken")
    found.log = Log("broken")
    assert lines(found)[1] == "  nothing yet"
    assert "`swapd scan --write`" in "\n".join(lines(scene([])))
    assert "Esc shows all" in "\n".join(lines(scene(filter="nothing like it")))


def test_a_note_is_shown_until_its_time_is_over():
    found = scene()
    found.note = Note("cannot load huge: it needs more", Level.WRONG, MOMENT + 5)
    assert "cannot load huge" in lines(found)[-2]
    later = Look("http://x", MOMENT + 6, NOW)
    assert not any("cannot load" in bit.text for bit in frame(found, later)[-2])


def test_the_question_names_the_model_and_its_requests():
    found = scene(chosen="qwen3-coder-30b", mode=Mode.ASKING)
    assert lines(found)[-2].strip() == "unload qwen3-coder-30b, which serves 2 requests? y/n"


def test_what_is_typed_is_seen():
    assert "/qwen" in lines(scene(mode=Mode.TYPING, filter="qwen"))[-2]
    assert "no model matches the filter" in "\n".join(lines(scene(filter="nothing like it")))


def test_a_log_ends_at_the_bottom_and_stays_where_it_was_paused():
    found = scene(page=Page.LOG, chosen="broken")
    found.log = Log("broken")
    found.log.add("".join(f"line {n}\n" for n in range(100)))
    assert "line 99" in lines(found)[-3]
    found.screen = replace(found.screen, pane=Pane(50))
    found.log.add("line 100\n")
    shown = lines(found)
    assert "line 49" in shown[-3]
    assert "paused at line 50 of 101" in shown[0]


def test_of_a_short_log_whose_lines_are_folded_every_one_can_be_reached():
    found = scene(page=Page.LOG)
    found.log = Log("x")
    found.log.add("first\n" + "".join(f"{'y' * 400}{n}\n" for n in range(8)))
    assert "first" not in "".join(lines(found))
    found.screen, _ = press(found.screen, "home", found.shown())
    shown = lines(found)
    assert shown[1] == "first"
    assert shown[2] == "y" * 80
    found.screen, _ = press(found.screen, "end", found.shown())
    assert lines(found)[-3] == "7"


def test_a_line_of_ten_megabytes_and_a_flood_of_lines_are_bounded():
    log = Log("x")
    for _ in range(160):
        log.add("a" * (1 << 16))
    log.add("\nnext\n")
    assert len(log.lines[0]) < LONGEST + 60
    assert log.lines[0].endswith(f"… and {160 * (1 << 16) - LONGEST} characters more")
    assert log.lines[1] == "next"
    log.add("flood\n" * 50_000)
    assert (len(log.lines), log.count) == (KEPT, 50_002)
    found = scene(page=Page.LOG)
    found.log = log
    assert lines(found)[5].strip() == "flood"


def test_escapes_in_a_log_are_taken_out_and_what_is_no_sequence_is_spelt_out():
    found = scene(page=Page.LOG)
    found.log = Log("x")
    found.log.add("\x1b[31mred\x1b[0m \x1b]0;title\x07done \x1b bare \x9b2J\r\n")
    assert lines(found)[1] == "red done \\x1b bare \\u009b2J"


def test_a_snapshot_has_every_model_and_no_keys():
    many = [model(f"model-{n:03}") for n in range(400)]
    shown = ["".join(bit.text for bit in row) for row in snapshot(scene(many), look())]
    assert sum("model-" in line for line in shown) == 400
    assert not any("quit" in line for line in shown)


@pytest.mark.parametrize(
    ("encoding", "environ", "fine"),
    [
        ("utf-8", {"LANG": "C.UTF-8"}, True),
        ("utf-8", {}, True),
        ("utf-8", {"LANG": "C"}, True),
        ("utf-8", {"LANG": "C.UTF-8", "TERM": "linux"}, False),
        ("utf-8", {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, False),
        ("utf-8", {"LANG": "de_DE.ISO-8859-1"}, False),
        ("iso-8859-1", {"LANG": "en_US.utf8"}, False),
    ],
)
def test_fine_characters_are_for_those_who_can_show_them(encoding, environ, fine):
    assert fits(encoding, environ) is fine


def test_a_thousand_models_are_drawn_in_a_moment():
    import time

    found = scene([model(f"model-{n:04}") for n in range(1000)], width=200, height=60)
    lines(found)
    spent = []
    for _ in range(3):
        began = time.process_time()
        lines(found)
        spent.append(time.process_time() - began)
    assert min(spent) < 0.15
