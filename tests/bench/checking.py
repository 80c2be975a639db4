"""How long ``swapd check`` takes: ``python -m tests.bench.checking [MODELS ...]``, 5 and 1000 if none are named.

From its start to its end, in a process of its own; each model has a file of its own, all of them one binary.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cli.many import make

ROUNDS = 5


def once(config: Path) -> float:
    """Seconds of one."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "swapd", "check", "-c", str(config)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}; median of {ROUNDS} (worst)")
    for models in [int(n) for n in sys.argv[1:]] or [5, 1000]:
        with tempfile.TemporaryDirectory() as folder:
            config = make(Path(folder), models)
            found = [once(config) for _ in range(ROUNDS)]
        print(f"{models:5} models: {statistics.median(found):.2f} s ({max(found):.2f})")


if __name__ == "__main__":
    main()
