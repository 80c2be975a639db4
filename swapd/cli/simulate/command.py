"""``swapd simulate``: a trace before swapd's scheduler and others, without starting anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from swapd.cli.console import Bit, Console, Line, Table, spin, stderr, stdout
from swapd.cli.failure import BadConfig
from swapd.cli.reading import read
from swapd.cli.simulate.catalog import weighed
from swapd.cli.simulate.play import Failures, play
from swapd.cli.target import json_option
from swapd.cli.weighed import weigh
from swapd.cli.words import several
from swapd.core.spec import Catalog
from swapd.lab import simulate as lab
from swapd.lab import trace as traces
from swapd.lab.advice import Variation, advise, variations
from swapd.lab.people import SCENES
from swapd.machine.meter import open_meter

SEEDS = 12


@dataclass(frozen=True, slots=True)
class Play:
    """What the call asks for. ``think`` and ``agents`` are None where they were not given."""

    trace: str
    config: str | None
    seeds: int | None
    hours: float | None
    think: float | None
    agents: int | None

    @property
    def cast(self) -> dict[str, Any]:
        """What was said of the agents."""
        given = {"think": self.think, "agents": self.agents}
        return {name: value for name, value in given.items() if value is not None}


@click.command("simulate")
@click.argument("file", required=False, metavar="[FILE|NAME]")
@click.option(
    "--trace",
    metavar="FILE|NAME",
    help="The same as the argument: what the daemon recorded (`trace: PATH` in its config), or a built-in trace: "
    f"{', '.join(SCENES)}.",
)
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="Play with this config's models, budget and rules. [default: the trace's models, one at a time]",
)
@click.option(
    "--policy", type=click.Choice([*lab.BRAINS]), help="Only this one. [default: all; with --json swapd]"
)
@click.option("--seeds", type=click.IntRange(1, 10_000), help=f"Runs of a built-in trace. [default: {SEEDS}]")
@click.option(
    "--hours",
    type=click.FloatRange(0, 10_000, min_open=True),
    help="Length of a run. [default: 1 of a built-in trace, all of a recorded one]",
)
@click.option(
    "--think", type=click.FloatRange(0, 86_400), help="Mean seconds that an agent thinks. [default: 1.5]"
)
@click.option("--agents", type=click.IntRange(0, 1000), help="How many agents. [default: 6]")
@json_option
def verb(file: str | None, trace: str | None, policy: str | None, as_json: bool, **words: Any) -> None:
    """Play a trace on a virtual clock, and count loads and waits: swapd's policy beside three simple ones.

    fifo serves in the order of arrival and stops whoever was loaded first; lru does the same and stops whoever was
    used longest ago; bypass lets whoever asks for a ready model overtake everybody. The bound is the least loads
    with which any policy could serve the same requests without a longer wait.
    """
    stage, notes = set_stage(Play(trace=_the_one(file, trace), **words))
    names = [policy] if policy else ["swapd"] if as_json else list(lab.BRAINS)
    with telling() as tell:
        outcomes, failures = zip(*(_played(stage, name, tell) for name in names), strict=True)
        asked = names[0] == "swapd" and not as_json and not outcomes[0].failed
        advice = _advice(stage, outcomes[0], tell) if asked else None
    if as_json:
        stdout().json(lab.told(stage, outcomes[0]))
    else:
        show(stdout(), stage, outcomes, notes, advice)
    complain(stderr() if as_json else stdout(), stage, dict(zip(names, failures, strict=True)))


def _the_one(file: str | None, trace: str | None) -> str:
    """The trace, by whichever name it was given."""
    if file is not None and trace is not None:
        raise click.UsageError("cannot play two traces: give FILE or --trace, not both")
    if (found := trace if file is None else file) is None:
        raise click.UsageError(f"cannot tell which trace to play: give a FILE, or one of {', '.join(SCENES)}")
    return found


# -- the stage -----------------------------------------------------------------------------------------------


def set_stage(play: Play) -> tuple[lab.Stage, list[str]]:
    """The stage, and what was assumed. Raises BadConfig for a config or a trace that cannot be used."""
    catalog, notes = _catalog(play.config) if play.config is not None else (None, [])
    scene = SCENES.get(play.trace)
    if scene is not None:
        _expect(catalog, scene.kinds, play)
        stage = lab.made(scene, catalog, play.seeds or SEEDS, play.hours or 1.0, **play.cast)
        closed = "a client asks again only after its answer"
        return stage, [f"{several(stage.seeds, 'seed')}, {stage.seconds / 3600:g} h each; {closed}", *notes]
    if play.cast:
        raise BadConfig("cannot set the agents of a recorded trace: --think and --agents are for built-in ones")
    trace = _recording(play.trace)
    requests = lab.played(trace, play.hours)
    _expect(catalog, {request.model for request in requests}, play)
    stage = lab.recorded(play.trace, trace, catalog, play.hours)
    return stage, [*_assumed(trace, len(requests), stage, catalog is None), *notes]


def _catalog(config: str) -> tuple[Catalog, list[str]]:
    _, loaded = read(config)
    if loaded.catalog is None or loaded.settings is None:
        lines = "\n".join(str(problem) for problem in loaded.problems)
        raise BadConfig(f"cannot simulate: the config has problems\n{lines}")
    state_dir = loaded.settings.state_dir
    return weighed(loaded.catalog, lambda: open_meter(os.environ).total, lambda catalog: weigh(catalog, state_dir))


def _expect(catalog: Catalog | None, names: Iterable[str], play: Play) -> None:
    """Raises BadConfig unless the config has all these models."""
    missing = lab.unknown(catalog, names) if catalog is not None else []
    if missing:
        built_in = "; a built-in trace has models of its own: leave --config away" if play.trace in SCENES else ""
        raise BadConfig(
            f"cannot simulate '{play.trace}' with {play.config}: the config has no model named "
            f"{', '.join(sorted(missing))}; name them there, or give them as aliases{built_in}"
        )


def _recording(path: str) -> traces.Trace:
    try:
        with Path(path).open("rb") as file:
            trace = traces.read(file)
    except FileNotFoundError:
        raise BadConfig(
            f"cannot read the trace '{path}': there is no such file; built-in are {', '.join(SCENES)}"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadConfig(f"cannot read the trace '{path}': {reason}") from None
    except traces.BadTrace as error:
        raise BadConfig(str(error).replace("the trace", f"the trace '{path}'", 1)) from None
    if trace.warning:
        stderr().line(f"warning: {path}: {trace.warning}", style="yellow")
    return trace


def _assumed(trace: traces.Trace, count: int, stage: lab.Stage, alone: bool) -> Iterator[str]:
    """What the lab takes for granted of a recording."""
    yield f"{several(count, 'request')}, each when it was recorded, whatever the policy made of those before"
    if left_out := sum(request.outcome != traces.SERVED for request in trace.requests):
        yield f"{several(left_out, 'request')} left out: never served, so nobody knows how long they would take"
    if alone:
        yield "no --config: the models take turns, each with as many slots as were seen in use"
    asked = {request.model for request in trace.requests}
    known = {found[0].name for name in trace.loads if (found := stage.catalog.resolve(name))}
    asked_for = {found[0].name for name in asked if (found := stage.catalog.resolve(name))}
    if unseen := sorted(asked_for - known):
        yield f"a load is taken to last {lab.UNSEEN_LOAD:g} s where none was recorded: {', '.join(unseen)}"


# -- the runs ------------------------------------------------------------------------------------------------


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """On a terminal, what is being played just now; the block says it."""
    now = ""

    def tell(text: str) -> None:
        nonlocal now
        now = text

    with stderr().live(lambda: [Line((spin(), Bit(f" {now}")))]):
        yield tell


def _played(
    stage: lab.Stage, policy: str, tell: Callable[[str], None], what: str = ""
) -> tuple[lab.Outcome, Failures]:
    return play(stage, policy, lambda seed: tell(f"{what or policy}: run {seed + 1} of {stage.seeds}"))


def _advice(stage: lab.Stage, base: lab.Outcome, tell: Callable[[str], None]) -> list[str]:
    """What the operator could change."""

    def vary(variation: Variation) -> Mapping[str, Any]:
        changed = lab.varied(stage, variation)
        return lab.told(changed, _played(changed, "swapd", tell, f"trying: {variation}")[0])

    return [each.text for each in advise(lab.told(stage, base), vary, variations(stage.catalog))]


# -- for people ----------------------------------------------------------------------------------------------

_WAIT = ("mean", "p50", "p95", "max")
_WAITS = ("WAIT s", "P50 s", "P95 s", "MAX s")
_COLUMNS = ("POLICY", "LOADS", "LOAD s", "SERVED", "FAILED", *_WAITS, "BOUND", "LOADS/BOUND")


def show(
    console: Console,
    stage: lab.Stage,
    outcomes: Sequence[lab.Outcome],
    notes: list[str],
    advice: list[str] | None,
) -> None:
    """The policies side by side, then models and clients of the first, then the advice."""
    told = [lab.told(stage, outcome) for outcome in outcomes]
    console.line(f"{stage.trace}: {notes[0]}", style="bold")
    for note in notes[1:]:
        console.line(note, style="dim")
    console.table(_table(_COLUMNS, [_policy(t, o, stage.seeds) for t, o in zip(told, outcomes, strict=True)]))
    most = lab.most_at_once(stage.catalog)
    longest = f"{told[0]['bound']['wait']:.1f} s for {told[0]['policy']}"
    console.line(
        f"bound: the least loads that serve the same, none waiting above the policy's own MAX (W, {longest}), "
        f"with at most {several(most, 'model')} up at once",
        style="dim",
    )
    for kind, last, head in (("model", "loads", "LOADS"), ("client", "engine_seconds", "ENGINE s")):
        console.line()
        columns = (f"{told[0]['policy']}, by {kind}".upper(), head, "SERVED", *_WAITS)
        console.table(_table(columns, [_one(name, each, last) for name, each in told[0][f"per_{kind}"].items()]))
    if advice is not None:
        console.line()
        for text in advice or [
            "no pin, and neither half nor double of patience or linger, would serve this better"
        ]:
            console.bits(Bit("advice: ", "green"), Bit(text))


def complain(console: Console, stage: lab.Stage, failures: Mapping[str, Failures]) -> None:
    """What failed with each policy, and why: its figures are of the others only."""
    if not any(each.count for each in failures.values()):
        return
    console.line()
    seeds = f" (in {stage.seeds} seeds)" if stage.seeds > 1 else ""
    for policy, each in failures.items():
        for text in each:
            console.bits(Bit("warning: ", "yellow"), Bit(f"{policy}{seeds}: {text}"))
    if failures.get("swapd", Failures()).count:
        console.line("no advice while requests fail: see to that first", style="dim")


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> Table:
    return Table(columns, [[Bit(cell) for cell in row] for row in rows], frozenset(columns[1:]))


def _policy(told: Mapping[str, Any], outcome: lab.Outcome, seeds: int) -> list[str]:
    bound = told["bound"]
    counts = (told["loads"], told["load_seconds"], told["served"], outcome.failed / seeds)
    ratio = "" if bound["ratio"] is None else f"{bound['ratio']:.2f}"
    return [told["policy"], *map(_count, counts), *_waits(told), _count(bound["loads"]), ratio]


def _one(name: str, told: Mapping[str, Any], first: str) -> list[str]:
    return [name, _count(told[first]), _count(told["served"]), *_waits(told)]


def _waits(told: Mapping[str, Any]) -> list[str]:
    return [f"{told['wait'][figure]:.1f}" for figure in _WAIT]


def _count(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
