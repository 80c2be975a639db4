"""Runs a true engine with the fake one's locks: ``seated.py --lock FILE --seats DIR ... -- COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fakes.llama_server import take_place
from tests.fakes.serving import Engine


def main() -> None:
    """Take the locks, then become the engine, which keeps them by the open files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alias")
    parser.add_argument("--lock")
    parser.add_argument("--seats")
    parser.add_argument("--seat-count", type=int)
    parser.add_argument("--journal")
    parser.add_argument("--version-of-the-command", help="says nothing, but makes another launch")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    opts = parser.parse_args()
    engine = Engine(argparse.Namespace(parallel=1, journal=opts.journal))
    engine.note("started", alias=opts.alias)
    for file in take_place(opts, engine):
        os.set_inheritable(file.fileno(), True)
    words = [word for word in opts.command if word != "--"]
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
