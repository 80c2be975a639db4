"""How long until a daemon listens, its weight, what verbs import: ``python -m tests.bench.start [MODELS ...]``.

Starts ``swapd serve`` five times for each number of models (default 100 and 1000), on loopback, and prints
seconds from exec to the line that announces the address, and resident MiB half a second later. Then, of some
verbs, the CPU time that importing them takes: that of a Python that does so, less that of one that does nothing.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROUNDS = 5
IMPORTS = 11
VERBS = ("load", "status", "logs", "explain", "reload", "check")


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


def cpu(code: str) -> float:
    """Milliseconds of a Python that runs it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def imports() -> str:
    """The line about verbs, by interleaved rounds."""
    codes = {"": "pass", **{verb: f"import swapd.cli.{verb}" for verb in VERBS}}
    rounds = [{verb: cpu(code) for verb, code in codes.items()} for _ in range(IMPORTS)]
    median = {verb: statistics.median(found[verb] for found in rounds) for verb in codes}
    return ", ".join(f"{verb} {median[verb] - median['']:.0f} ms" for verb in VERBS)


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
    print(f"imports of verbs (bound 150 ms), medians of {IMPORTS}: {imports()}")


if __name__ == "__main__":
    main()
