"""A config that is read again: what did not change is taken over, and nobody can tell."""

from __future__ import annotations

import random
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


def reread(folder: Path, text: str, past: Past) -> Loaded:
    path = folder / "swapd.yaml"
    path.write_text(text)
    return load(path, {"HOME": "/home/x"}, None, past)


def test_however_a_config_is_edited_reading_it_again_finds_what_a_first_reading_finds(folder):
    seen = random.Random(4)
    good, bad, past, lines = 0, 0, Past(), TEXT.splitlines()
    for _ in range(160):
        at = seen.randrange(len(lines))
        match seen.randrange(6):
            case 0 | 1:
                lines.insert(at, seen.choice(EDITS))
            case 2:
                del lines[at]
            case 3:
                lines[at] = lines[at].replace("1", "2") + seen.choice(("", "", "  # so", " "))
            case _:
                lines = TEXT.splitlines()
        again, first = (reread(folder, "\n".join(lines) + "\n", known) for known in (past, at_first()))
        assert again == first
        good, bad = good + (again.catalog is not None), bad + (again.catalog is None)
    assert good > 40
    assert bad > 40


def test_a_model_that_did_not_change_is_the_very_same_object_wherever_it_stands_now(folder):
    past = Past()
    text = "models:\n  one: {path: /1.gguf}\n  two:\n    path: ${model}.gguf\n    ttl: 1m\n"
    first = reread(folder, text, past)
    again = reread(folder, "# new\n\n" + text.replace("/1.gguf", "/one.gguf"), past)
    assert again.catalog.models["two"] is first.catalog.models["two"]
    assert again.catalog.models["one"] != first.catalog.models["one"]
    assert [warning.line for warning in again.warnings] == [4, 6]


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
