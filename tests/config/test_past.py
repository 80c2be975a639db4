"""A config that is read again: what did not change is taken over, and nobody can tell."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from swapd.config import Loaded, load
from swapd.config.compose import compose
from swapd.config.past import Past, content
from swapd.config.pieces import Pieces
from swapd.config.problems import Problems
from swapd.config.tree import Map

TEXT = """\
# what this box has
listen: 127.0.0.1:0
include:
- more.yaml
macros: {gguf: /srv, big: "${gguf}/big"}
defaults:
  ttl: 10m
  env: {A: "1"}
budget: {ram: 8GiB, engines: 2}

models:   # in no order
  one: {path: "${gguf}/1.gguf", aliases: [uno, "one:cold"]}
  two:
    path: ${big}/2.gguf
    request: {set: {n: 0, top: 1}}
    description: |
      listen: to this
        two: 2

    # a remark
    env: {B: x}
  'three':
    path: /3.gguf
  four:
    command: >-
      serve --port ${port}
      --name ${model}
    metadata: {a: [], b: {}}
scheduling: {linger: 1s}
"""
EDITS = (
    '  three: {command: "x --port ${port}",\n    needs: {ram: 1GiB,\n  engines: 1}}',
    '  three: {command: "x\n  --port: ${port}"}',
    "  two: 3",
    "  five: {path: /5.gguf}",
    "# remark",
    "",
    "    ttl: 3m",
    "    tttl: 3m",
    "---",
    "...",
    '  "',
    "  six: &six {path: /6.gguf}",
    "  seven: *six",
    "  <<: *six",
    "    <<: {ttl: 1m}",
    "models:",
    "defaults: {ttl: 1h}",
    "macros: {gguf: /other, big: /b}",
    "  }",
    "budget: {ram: 1GiB, engines: 1}",
    "\tx",
    "  one: !!str 5",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With an included file."""
    (tmp_path / "more.yaml").write_text("models:\n  nine: {path: ./9.gguf}\n")
    return tmp_path


class Whole(Pieces):
    """Cuts nothing."""

    def compose(self, text: str, file: str) -> Map | None:
        return None


def at_first() -> Past:
    """What is known before anything was read."""
    past = Past()
    past.pieces = Whole()
    return past


ROUNDS = 240


def reread(folder: Path, text: str, past: Past) -> Loaded:
    path = folder / "swapd.yaml"
    path.write_text(text)
    return load(path, {"HOME": "/home/x"}, None, past)


def twice(lines: list[str], seen: random.Random) -> list[str]:
    """A block stands there once more, somewhere."""
    at, to, end = seen.randrange(len(lines)), seen.randrange(len(lines)), seen.randint(1, 12)
    block = lines[at : at + end]
    return lines[:to] + block + lines[to:]


def one_key_twice(lines: list[str], seen: random.Random) -> list[str]:
    """What begins at the margin, or one model, stands there once more, just behind itself or at the end."""
    margin = seen.choice(("", "  "))
    starts = [n for n, line in enumerate(lines) if line[: len(margin) + 1].strip() and line.startswith(margin)]
    at = seen.choice(starts or [0])
    end = next((n for n in starts if n > at), len(lines))
    to = seen.choice((end, len(lines)))
    return lines[:to] + lines[at:end] + lines[to:]


def gone(lines: list[str], seen: random.Random) -> list[str]:
    at = seen.randrange(len(lines))
    return lines[:at] + lines[at + seen.choice((1, 1, 4)) :]


def moved(lines: list[str], seen: random.Random) -> list[str]:
    at, end, to = seen.randrange(len(lines)), seen.randint(1, 5), seen.randrange(len(lines))
    rest = lines[:at] + lines[at + end :]
    return rest[:to] + lines[at : at + end] + rest[to:]


def indented(lines: list[str], seen: random.Random) -> list[str]:
    """Some lines, or all models, stand elsewhere."""
    at = seen.randrange(len(lines))
    end = seen.choice((at + 1, at + 4, len(lines)))
    shift = seen.choice(("  ", " ", "\t", ""))
    return lines[:at] + [shift + line if shift else line.lstrip() for line in lines[at:end]] + lines[end:]


def added(lines: list[str], seen: random.Random) -> list[str]:
    at = seen.randrange(len(lines) + 1)
    return [*lines[:at], seen.choice(EDITS), *lines[at:]]


def rewritten(lines: list[str], seen: random.Random) -> list[str]:
    at = seen.randrange(len(lines))
    changes = (("1", "2"), ("0", "0.0"), ("0", "false"), (":", ": &x"), ("path: ", "path: *x"), ("'", ""))
    old, new = seen.choice(changes)
    tail = seen.choice(("", "", "  # so", " ", "\r", "\x85", " \\"))
    return [*lines[:at], lines[at].replace(old, new) + tail, *lines[at + 1 :]]


def test_however_a_config_is_edited_reading_it_again_finds_what_a_first_reading_finds(folder):
    """The same values, types, problems and lines, after any row of edits, of which some are undone."""
    seen, past, lines, saved = random.Random(4), Past(), TEXT.splitlines(), TEXT.splitlines()
    hows = (twice, one_key_twice, gone, moved, indented, added, rewritten)
    good = bad = 0
    for _ in range(ROUNDS):
        lines = seen.choice(hows)(lines, seen) or [""]
        ends = seen.choice(("\n",) * 9 + ("\r\n",))
        text = ends.join(lines) + seen.choice(("\n", ""))
        again, first = (reread(folder, text, known) for known in (past, at_first()))
        assert repr(again) == repr(first), text
        good, bad = good + (not first.problems), bad + bool(first.problems)
        if first.problems and seen.random() < 0.9:
            lines = seen.choice((saved, TEXT.splitlines()))
        elif not first.problems:
            saved = lines
    assert min(good, bad) > ROUNDS // 6


def test_a_model_that_did_not_change_is_the_very_same_object_wherever_it_stands_now(folder):
    past = Past()
    text = "models:\n  one: {path: /1.gguf}\n  two:\n    path: ${model}.gguf\n    ttl: 1m\n"
    first = reread(folder, text, past)
    again = reread(folder, "# new\n\n" + text.replace("/1.gguf", "/one.gguf"), past)
    assert again.catalog.models["two"] is first.catalog.models["two"]
    assert again.catalog.models["one"] != first.catalog.models["one"]
    assert [warning.line for warning in again.warnings] == [4, 6]


def test_a_model_given_twice_in_the_very_same_words_is_told_though_both_are_known(folder):
    past = Past()
    text = "models:\n  one: {path: /1.gguf}\n  two: {path: /2.gguf}\n"
    assert not reread(folder, text, past).problems
    for again in (text + "  one: {path: /1.gguf}\n", text + "listen: 127.0.0.1:1\nlisten: 127.0.0.1:1\n"):
        (problem,) = reread(folder, again, past).problems
        assert "is given twice" in problem.message


@pytest.mark.parametrize("becomes", ["true", "1.0"])
def test_a_number_that_becomes_what_python_takes_for_the_same_is_an_edit(folder, becomes):
    past, text = Past(), "models:\n  one: {path: /1.gguf, request: {set: {n: 1}}}\n"
    reread(folder, text, past)
    after = reread(folder, text.replace("1}}", becomes + "}}"), past).catalog.models["one"]
    assert repr(after.terms.service.edits.set["n"]).lower() == becomes


def test_an_edited_macro_default_or_variable_changes_the_models_that_use_it(folder):
    past = Past()
    text = "macros: {m: /a}\ndefaults: {ttl: 1m}\nmodels:\n  one: {path: '${m}/x'}\n  two: {path: /x, ttl: 5m}\n"
    before = reread(folder, text, past).catalog.models
    after = reread(folder, text.replace("/a", "/b"), past).catalog.models
    assert (after["one"].launch != before["one"].launch, after["two"] is before["two"]) == (True, True)
    after = reread(folder, text.replace("1m", "2m"), past).catalog.models
    assert (after["one"].terms.stay.ttl, after["two"]) == (120, before["two"])
    first, again = (load(folder / "swapd.yaml", {"HOME": home}, None, past).catalog for home in ("/h", "/i"))
    assert first == again


def test_after_a_bad_reading_the_last_good_one_still_helps(folder):
    past = Past()
    text = "models:\n  one: {path: /1.gguf}\n"
    first = reread(folder, text, past)
    assert reread(folder, text + "  two: {pth: /2.gguf}\n", past).problems
    assert reread(folder, text + "  two: [\n", past).problems
    assert reread(folder, text, past).catalog.models["one"] is first.catalog.models["one"]


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: &x 2\n",
        "a: 1\nb: *x\n",
        "a: 1\n---\nb: 2\n",
        "a: 1\n...\nb: 2\n",
        "a: {x: 1,\nb: 2}\n",
        'a: "x\nb: 2"\n',
        "a: 1\na: 2\n",
        "a: 1\r\nb: 2\r\n",
        "a: 1\n<<: {b: 2}\n",
        "models:\n  a: {x: 1,\n  b: 2}\n",
        "models:\n  a: 1\n  a: 2\n",
        "models:\n  - a\n",
        "models:\n  a: 1\n b: 2\n",
        "%YAML 1.1\n---\na: 1\n",
        "a: !!int 5\n",
        "? a\n: b\n",
        "- a\n",
        "",
    ],
)
def test_a_text_that_cannot_be_cut_safely_is_left_whole(text):
    assert Pieces().compose(text, "f") is None


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "---\nmodels: {a: {path: /x}}\nlisten: x",
        "# a\n\nmodels:\n# b\n    a:\n      path: |+\n        x\n\n\n    b: {}\n\nlog: {}\n",
        "models:\ndefaults:\n  a:\n   - 1\n",
    ],
)
def test_pieces_make_the_same_tree_at_the_same_places_as_the_whole_does(text):
    def spots(node: object) -> object:
        if isinstance(node, Map):
            below = [(name, e.key.place, spots(e.value)) for name, e in node.entries.items()]
            return node.place, node.weight, node.depth, below
        return node.place, content(node)

    problems, pieces = Problems(), Pieces()
    whole = compose(text, "f", problems)
    for _ in range(2):
        assert spots(pieces.compose(text, "f")) == spots(whole)
        pieces.end(good=True)


def cost(work: Callable[[], object]) -> float:
    """CPU seconds, the least of three."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.parametrize("begin", ["", "models:\n"])
def test_a_hundred_thousand_blank_lines_cost_not_much_more_to_cut_than_to_parse(begin):
    text = begin + "\n" * 200_000 + " " * bool(begin) + "a: 1\n"
    assert Pieces().compose(text, "f") is not None
    cut, parsed = cost(lambda: Pieces().compose(text, "f")), cost(lambda: compose(text, "f", Problems()))
    assert cut < 25 * parsed


@pytest.mark.parametrize("begin", ["", "models:\n"])
def test_cutting_costs_by_the_key_however_many_there_are(begin):
    def keys(count: int) -> str:
        return begin + "".join(f"{' ' * bool(begin)}k{n}: x\n" for n in range(count))

    few, many = keys(200), keys(1_600)
    assert cost(lambda: Pieces().compose(many, "f")) < 20 * cost(lambda: Pieces().compose(few, "f"))
