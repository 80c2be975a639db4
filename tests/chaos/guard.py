"""Ends what carries the mark once the driver is gone: ``python -m tests.chaos.guard MARK FOLDER``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

from tests.chaos import procs
from tests.chaos.features import ROOT


class Guard(AbstractContextManager["Guard"]):
    """A process in a session of its own, that waits for the end of a pipe which only we hold."""

    def __init__(self, mark: str, folder: Path) -> None:
        """``folder`` goes too."""
        command = [sys.executable, "-m", "tests.chaos.guard", mark, str(folder)]
        self._watching = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)

    def __exit__(self, *_: object) -> None:
        self._watching.communicate()


def main() -> None:
    """Wait for the end of stdin."""
    while os.read(0, 1):
        pass
    mark, folder = sys.argv[1:]
    procs.end_all(mark)
    if (disk := Path(folder) / "state").is_mount():
        subprocess.run(["umount", "-l", str(disk)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
