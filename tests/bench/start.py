"""How long until a daemon listens, and what it weighs: ``python -m tests.bench.start [MODELS ...]``.

Starts ``swapd serve`` five times for each number of models (default 100 and 1000), on loopback, and prints
seconds from exec to the line that announces the address, and resident MiB half a second later.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROUNDS = 5


def config(models: int) -> str:
    """A config of so many described models, each with an alias."""
    entries = (f"  m{i}: {{path: /srv/m{i}.gguf, context: 4096, aliases: [a{i}]}}" for i in range(models))
    return "listen: 127.0.0.1:0\nstate_dir: state\nmodels:\n" + "\n".join(entries) + "\n"


def once(path: Path) -> tuple[float, float]:
    """One start: (seconds, MiB)."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "swapd", "serve", "-c", str(path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        while "is listening on" not in (line := daemon.stderr.readline()):
            assert line, "the daemon ended"
        seconds = time.perf_counter() - begun
        time.sleep(0.5)
        weight = psutil.Process(daemon.pid).memory_info().rss / 2**20
        daemon.terminate()
        daemon.stderr.read()
    return seconds, weight


def main() -> None:
    """Print the table."""
    print(f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}; median of {ROUNDS} (worst)")
    with tempfile.TemporaryDirectory() as folder:
        for models in [int(n) for n in sys.argv[1:]] or [100, 1000]:
            path = Path(folder) / "swapd.yaml"
            path.write_text(config(models))
            runs = [once(path) for _ in range(ROUNDS)]
            seconds, weights = zip(*runs, strict=True)
            print(
                f"{models:5} models: {statistics.median(seconds):.3f} s ({max(seconds):.3f}) to listening, "
                f"{statistics.median(weights):.1f} MiB ({max(weights):.1f}) resident"
            )


if __name__ == "__main__":
    main()
