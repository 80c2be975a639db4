"""Pictures of a run as SVG, to stand in a page. Colours come from the page's classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from swapd.loadtest.scale import Scale, duration, fitting
from swapd.loadtest.style import COLOURS, esc
from swapd.loadtest.tally import Point

WIDTH, HEIGHT = 640, 304
LEFT, RIGHT, TOP, BOTTOM = 78, 618, 14, 258
STEPS = 240
"""Points of a curve."""
BINS = 48
LEAST_GAP = 1e-5
"""Seconds: events that lie closer came in one piece, as far as anybody can tell."""
ROW = 46


@dataclass(frozen=True, slots=True)
class Curve:
    """Numbers in the colour of a side; ``dashed`` is the second measure of the same."""

    name: str
    colour: int
    values: Sequence[float]
    dashed: bool = False


@dataclass(slots=True)
class Picture:
    """The shapes so far."""

    title: str
    height: int = HEIGHT
    shapes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        body = "".join(self.shapes)
        head = f'<svg viewBox="0 0 {WIDTH} {self.height}" role="img" aria-label="{esc(self.title)}">'
        return f"{head}<title>{esc(self.title)}</title>{body}</svg>"

    def across(self, scale: Scale, name: str, bottom: float = BOTTOM) -> None:
        """The scale below, in time."""
        for value in scale.ticks:
            x = scale(value)
            self.shapes.append(f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>')
            self.write(x, bottom + 19, duration(value))
        self.shapes.append(f'<path class="edge" d="M{LEFT} {bottom}H{RIGHT}"/>')
        self.write(RIGHT, bottom + 39, name, "end")

    def up(self, scale: Scale, words: Sequence[tuple[float, str]]) -> None:
        """The scale at the left."""
        for value, text in words:
            y = scale(value)
            self.shapes.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
            self.write(LEFT - 8, y + 4, text, "end")

    def write(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """A word."""
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{esc(text)}</text>')


def distribution(title: str, curves: Sequence[Curve]) -> str:
    """How many of the requests took no longer than what stands below."""
    across = fitting([value for curve in curves for value in (min(curve.values), max(curve.values))], LEFT, RIGHT)
    up, picture = Scale(0, 1, BOTTOM, TOP), Picture(title)
    picture.up(up, [(part, f"{part:.0%}") for part in (0, 0.25, 0.5, 0.75, 0.9, 1)])
    picture.across(across, "time until then")
    for curve in curves:
        dashed = " dashed" if curve.dashed else ""
        path = _steps(sorted(curve.values), across, up)
        picture.shapes.append(f'<path class="curve {_colour(curve.colour)}{dashed}" d="{path}"/>')
    return str(picture)


def _steps(ordered: Sequence[float], across: Scale, up: Scale) -> str:
    count = len(ordered)
    places = sorted({min(count - 1, round(n * (count - 1) / STEPS)) for n in range(STEPS + 1)})
    path = f"M{across(ordered[0]):.1f} {up(0):.1f}"
    return path + "".join(f"H{across(ordered[n]):.1f}V{up((n + 1) / count):.1f}" for n in places)


def histogram(title: str, curves: Sequence[Curve]) -> str:
    """Which part of the gaps was how long."""
    ends = [value for curve in curves for value in (min(curve.values), max(curve.values))]
    across, picture = fitting(ends, LEFT, RIGHT, least=LEAST_GAP), Picture(title)
    counted = [(curve, _counts(curve.values, across)) for curve in curves]
    up = Scale(0, max(max(parts) for _, parts in counted) * 1.05, BOTTOM, TOP)
    picture.up(up, [(value, f"{value:.3g}%") for value in up.ticks])
    picture.across(across, "between two events")
    width = (RIGHT - LEFT) / BINS
    for curve, parts in counted:
        shape = f"M{LEFT} {BOTTOM}"
        for n, part in enumerate(parts):
            shape += f"V{up(part):.1f}H{LEFT + (n + 1) * width:.1f}"
        picture.shapes.append(f'<path class="area {_colour(curve.colour)}" d="{shape}V{BOTTOM}Z"/>')
    return str(picture)


def _counts(values: Sequence[float], across: Scale) -> list[float]:
    """Per cent of them in each of the bins, which are alike in the picture."""
    counts = [0] * BINS
    for value in values:
        place = (across(value) - LEFT) / (RIGHT - LEFT)
        counts[min(BINS - 1, math.floor(place * BINS))] += 1
    return [100 * count / len(values) for count in counts]


def timeline(title: str, began: float, sides: Sequence[tuple[int, Sequence[Point]]]) -> str:
    """Each request when it was sent: a dot for its first token, a ring for its end."""
    points = [point for _, side in sides for point in side]
    ends = [value for point in points for value in (point.first, point.total) if value is not None]
    up = fitting(ends, BOTTOM, TOP)
    across = Scale(0, max(point.due - began for point in points) * 1.02 + 1e-3, LEFT, RIGHT)
    picture = Picture(title)
    picture.up(up, [(value, duration(value)) for value in up.ticks])
    picture.across(across, "since the run began")
    for colour, side in sides:
        shapes = "".join(_marks(side, began, across, up))
        picture.shapes.append(f'<g class="{_colour(colour)}">{shapes}</g>')
    return str(picture)


def _marks(points: Sequence[Point], began: float, across: Scale, up: Scale) -> Iterator[str]:
    for point in points:
        x = f"{across(point.due - began):.1f}"
        yield f'<circle class="ring" cx="{x}" cy="{up(point.total):.1f}" r="2.6"/>'
        if point.first is not None:
            yield f'<circle class="dot" cx="{x}" cy="{up(point.first):.1f}" r="2.2"/>'


def strips(title: str, rows: Sequence[Curve]) -> str:
    """A row of dots for each, and a stroke at the median."""
    across = fitting([value for row in rows for value in row.values], LEFT, RIGHT)
    bottom = TOP + ROW * len(rows)
    picture = Picture(title, bottom + 46)
    picture.across(across, "until the first byte", bottom)
    for n, row in enumerate(rows):
        y, ordered = TOP + ROW * n + 32, sorted(row.values)
        picture.write(LEFT + 2, y - 14, row.name, "start")
        look = "ring" if row.dashed else "dot"
        dots = "".join(f'<circle class="{look}" cx="{across(v):.1f}" cy="{y}" r="4"/>' for v in ordered)
        middle = f'<path class="mid" d="M{across(ordered[len(ordered) // 2]):.1f} {y - 9}v18"/>'
        picture.shapes.append(f'<g class="{_colour(row.colour)}">{dots}{middle}</g>')
    return str(picture)


def _colour(number: int) -> str:
    return f"c{number % COLOURS}"
