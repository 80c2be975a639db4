"""The figures of the lab: ``python -m tests.bench.lab [--seeds N] [mix | think | curve | fair] ...``.

One simulated hour for each seed, and one model fits at a time. ``mix``: swapd beside the simple policies.
``think``: other think times, one agent, none. ``curve``: patience × linger. ``fair``: engine-seconds of equally
backlogged clients over ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from swapd.core.spec import Rules
from swapd.lab import simulate as lab
from swapd.lab.people import SCENES
from tests.bench import jain

THINKS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("think 0.5 s", {"think": 0.5}),
    ("think 1.5 s", {}),
    ("think 5 s", {"think": 5.0}),
    ("think 15 s", {"think": 15.0}),
    ("one agent", {"agents": 1}),
    ("no agent", {"agents": 0}),
)
PATIENCES = (30.0, 45.0, 60.0, 75.0, 90.0)
LINGERS = (0.0, 1.0, 2.0, 4.0, 8.0, 30.0)
TARGETS = "to reach: loads ≤ 0.55, mean ≤ 0.65, p95 ≤ 1.05, served ≥ 1.15 of bypass's; loads ≤ 2.0 × bound"


def figures(policy: str, seeds: int, rules: Rules | None = None, **cast: Any) -> dict[str, Any]:
    """The summary of one policy on the mix."""
    stage = lab.made(SCENES["mix"], seeds=seeds, **cast)
    if rules is not None:
        stage = replace(stage, catalog=replace(stage.catalog, rules=rules))
    return lab.told(stage, lab.run(stage, policy))


def line(name: str, found: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """One row: figures, and in brackets how many times those of ``base``."""
    wait, bound = found["wait"], found["bound"]
    return (
        f"{name:24} loads {found['loads']:6.1f} ({_part(found, base, 'loads')})  "
        f"served {found['served']:6.1f} ({_part(found, base, 'served')})  "
        f"mean {wait['mean']:5.1f} s ({_part(wait, base['wait'], 'mean')})  p50 {wait['p50']:4.1f}  "
        f"p95 {wait['p95']:5.1f} ({_part(wait, base['wait'], 'p95')})  max {wait['max']:5.1f}  "
        f"bound {bound['loads']:5.1f} (loads {bound['ratio'] or 0:.2f} ×)"
    )


def mix(seeds: int) -> None:
    """All policies on the mix."""
    print(f"\nthe mix, in brackets the part of bypass's figure\n{TARGETS}")
    base = figures("bypass", seeds)
    for policy in ("fifo", "lru", "bypass", "swapd"):
        print(line(policy, base if policy == "bypass" else figures(policy, seeds), base), flush=True)


def think(seeds: int) -> None:
    """The mix with other agents."""
    print("\nother agents: bypass, then swapd and its part of bypass's figure")
    for name, cast in THINKS:
        base = figures("bypass", seeds, **cast)
        print(line(f"{name}, bypass", base, base), flush=True)
        print(line(f"{name}, swapd", figures("swapd", seeds, **cast), base), flush=True)


def curve(seeds: int) -> None:
    """What patience and linger are traded for."""
    print(f"\npatience × linger, in brackets the part of bypass's figure\n{TARGETS}")
    base = figures("bypass", seeds)
    for patience in PATIENCES:
        for linger in LINGERS:
            found = figures("swapd", seeds, replace(lab.RULES, patience=patience, linger=linger))
            print(line(f"patience {patience:g}, linger {linger:g}", found, base), flush=True)


def fair(_: int) -> None:
    """Jain's index."""
    jain.main()


TABLES = {"mix": mix, "think": think, "curve": curve, "fair": fair}


def main() -> None:
    """Print the tables asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lab")
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(TABLES)}; none is all")
    parser.add_argument("--seeds", type=int, default=12)
    args = parser.parse_args()
    rules = f"patience {lab.RULES.patience:g} s, linger {lab.RULES.linger:g} s"
    print(f"{args.seeds} seeds, one simulated hour each; {rules}")
    for name in args.tables or TABLES:
        TABLES[name](args.seeds)


def _part(found: Mapping[str, Any], base: Mapping[str, Any], name: str) -> str:
    return f"{found[name] / base[name]:.2f}" if base[name] else "–"


if __name__ == "__main__":
    main()
