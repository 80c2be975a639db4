"""The whole picture: as many rows as the screen has, none of them wider. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf

from swapd.cli.console import Bit
from swapd.cli.top import table
from swapd.cli.top.bars import bars
from swapd.cli.top.foot import foot
from swapd.cli.top.glyphs import FINE, Glyphs
from swapd.cli.top.mirror import MODEL, Mirror, ordered
from swapd.cli.top.pages import Log, event_rows, help_rows, log_rows, text_rows
from swapd.cli.top.press import Shown, settled
from swapd.cli.top.screen import Note, Page, Screen
from swapd.cli.top.text import Row, clean, cut_row, ends, pad, width
from swapd.cli.words import age_of

FOOT = 2
"""Rows below: what was done or is the matter, and the keys."""
SMALL, TINY = 16, 6
"""Rows below which events get only what the models leave, and below which there is nothing but models."""


NONE = "no models in the config: `swapd scan --write` adds those that it finds"
NOTHING: Row = (Bit("  nothing yet", "dim"),)


@dataclass(frozen=True, slots=True)
class Look:
    """How, where and when it is looked at."""

    url: str
    moment: float
    """Monotonic seconds."""
    clock: datetime
    """The time here."""
    glyphs: Glyphs = FINE


@dataclass(slots=True)
class Scene:
    """All there is to see."""

    mirror: Mirror = field(default_factory=Mirror)
    screen: Screen = field(default_factory=Screen)
    log: Log | None = None
    details: Sequence[str] = ()
    """Lines of text about one model."""
    note: Note | None = None
    away: str = ""
    """Why nothing new is seen."""
    left: float = 0.0
    """Since when (monotonic), if so: what is shown gets no older."""

    def leave(self, why: str, moment: float) -> None:
        """The daemon is away from now on, unless it was already."""
        if not self.away:
            self.away, self.left, self.note = why, moment, None

    def now(self, moment: float) -> datetime:
        """What time it is where the daemon is, or was when it was last heard of."""
        return self.mirror.clock.now(self.left if self.away else moment)

    def models(self) -> list[MODEL]:
        """As the table has them."""
        return ordered(self.mirror.models.values(), self.screen.filter)

    def shown(self) -> Shown:
        """What a key may be about."""
        screen, page = self.screen, self.screen.page
        lines = 0
        if page is Page.LOG and self.log is not None:
            return Shown((), self.log.count, self.log.count - len(self.log.lines) + 1)
        if page is Page.EVENTS:
            return Shown((), self.mirror.count, self.mirror.count - len(self.mirror.told) + 1)
        if page is Page.DETAILS:
            lines = len(text_rows(self.details, screen.size.width))
        elif page is Page.HELP:
            lines = len(help_rows(screen.size.width, FINE))
        return Shown(self.models(), lines)


def frame(scene: Scene, look: Look) -> list[Row]:
    """The rows; dimmed while the daemon is away."""
    scene = replace(scene, screen=settled(scene.screen, scene.models()))
    size = scene.screen.size
    body = size.height - FOOT
    rows = _models(scene, look, body) if scene.screen.page is Page.MODELS else _page(scene, look, body)
    rows = [*rows[:body], *[()] * (body - len(rows))]
    if scene.away:
        rows = [tuple(Bit(text, "dim") for text, _ in row) for row in rows]
    return [*rows, *foot(scene.screen, _chosen(scene), _notice(scene, look), scene.now(look.moment), look.glyphs)][
        -size.height :
    ]


def snapshot(scene: Scene, look: Look) -> list[Row]:
    """All models, without the feed and the keys: for a pipe."""
    cells, models = scene.screen.size.width, scene.models()
    return [
        _header(scene, look),
        *_problems(scene, look),
        *bars(scene.mirror.status, cells, len(scene.mirror.status["machine"]) + 1, look.glyphs),
        *_table(replace(scene.screen, chosen=None), models, scene.now(look.moment), len(models), look),
    ]


def _models(scene: Scene, look: Look, rows: int) -> list[Row]:
    """Header, bars, table, events."""
    screen, models, cells = scene.screen, scene.models(), scene.screen.size.width
    found: list[Row] = []
    if rows >= TINY:
        found = [_header(scene, look), *_problems(scene, look)]
        found += bars(scene.mirror.status, cells, max(1, rows // 5), look.glyphs)
    left = rows - len(found) - 2  # the two lines above the table
    least = 0 if rows < SMALL else max(4, rows // 4)
    shown = max(1, min(len(models), left - least))
    feed = left - shown
    now = scene.now(look.moment)
    found.append(_rule(_title(screen, scene, models, shown), cells, look.glyphs))
    found += _table(screen, models, now, shown, look)
    if feed > 1:
        found.append(_rule("events", cells, look.glyphs))
        found += event_rows(scene.mirror.news(feed - 1), cells, look.glyphs) or [NOTHING]
    return found


def _table(screen: Screen, models: Sequence[MODEL], now: datetime, rows: int, look: Look) -> list[Row]:
    cells = screen.size.width
    found = table.plan(models, cells)
    if not models:
        nothing = "no model matches the filter: Esc shows all" if screen.filter else NONE
        row = cut_row((Bit(f"  {nothing}", "dim"),), cells, look.glyphs.cut)
        return [table.heading(found, cells, look.glyphs), row]
    first = _first(screen, models, rows)
    return [
        table.heading(found, cells, look.glyphs),
        *(
            table.row(model, found, now, look.glyphs, chosen=model["name"] == screen.chosen, cells=cells)
            for model in models[first : first + rows]
        ),
    ]


def _first(screen: Screen, models: Sequence[MODEL], rows: int) -> int:
    """From which model on the table is shown: with the cursor in the middle, where it has both sides."""
    at = next((n for n, model in enumerate(models) if model["name"] == screen.chosen), 0)
    return max(0, min(at - rows // 2, len(models) - rows))


def _title(screen: Screen, scene: Scene, models: Sequence[MODEL], rows: int) -> str:
    total = len(scene.mirror.models)
    text = f"models: {len(models)}" + (f" of {total}" if len(models) != total else "")
    if len(models) > rows:
        first = _first(screen, models, rows)
        text += f", {first + 1} to {first + rows} shown"
    return text + (f", filter {clean(screen.filter, 60)}" if screen.filter else "")


def _header(scene: Scene, look: Look) -> Row:
    """The daemon at the left; what it does, and the time, at the right."""
    status, cells = scene.mirror.status, scene.screen.size.width
    left = Bit(f" swapd {clean(status['version'], 16)}", "bold cyan")
    place = Bit(f"  {clean(look.url, 60)}")
    up = Bit(f"  up {age_of(status['since'], scene.now(look.moment))}" if status.get("since") else "")
    plan = Bit(f"  config generation {status['generation']}", "dim")
    clock = Bit(f"{look.clock:%H:%M:%S} ", "bold")
    requests, speed = Bit(""), Bit("")
    if scene.mirror.rate is not None:
        ended, tokens = scene.mirror.rate.per_second(look.moment)
        requests, speed = Bit(f"{ended:.1f} req/s  "), Bit(f"{tokens:.0f} tok/s  ")
    for ours, theirs in (
        ((left, place, up, plan), (requests, speed, clock)),
        ((left, place, up), (requests, speed, clock)),
        ((left, place, up), (requests, clock)),
        ((left, up), (requests, clock)),
        ((left, up), (clock,)),
    ):
        if width(ours) + width(theirs) < cells:
            return ends(ours, theirs, cells, look.glyphs.cut)
    return cut_row((left,), cells, look.glyphs.cut)


def _problems(scene: Scene, look: Look) -> list[Row]:
    """That the file was edited into something that does not work."""
    problems = scene.mirror.status["problems"]
    if not problems:
        return []
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = f"{first['file']}:{first['line']}:{first['column']}"
    text = f" the config has problems{more}: {where}: {first['message']}"
    return [cut_row((Bit(text, "bold red"),), scene.screen.size.width, look.glyphs.cut)]


def _page(scene: Scene, look: Look, rows: int) -> list[Row]:
    """A title, and the pane below it."""
    screen, glyphs = scene.screen, look.glyphs
    cells, at, name = screen.size.width, screen.pane.at, clean(screen.chosen or "", 60)
    if screen.page is Page.LOG:
        log = scene.log or Log("")
        title, pane = f"log of {name}", log_rows(log, at, cells, rows - 1, glyphs) or [NOTHING]
        if scene.log is not None and scene.log.ended:
            title += f" ({clean(scene.log.ended, 60)})"
    elif screen.page is Page.EVENTS:
        events = scene.mirror.events(scene.mirror.count if at is None else at, rows - 1)
        title, pane = "events", event_rows(events, cells, glyphs) or [NOTHING]
    else:
        title = "keys" if screen.page is Page.HELP else f"{name}"
        text = help_rows(cells, glyphs) if screen.page is Page.HELP else text_rows(scene.details, cells)
        first = min(at or 0, max(0, len(text) - rows + 1))
        pane = text[first:]
        if len(text) >= rows:
            title += f", lines {first + 1} to {min(first + rows - 1, len(text))} of {len(text)}"
    if screen.page in (Page.LOG, Page.EVENTS) and at is not None:
        title += f", paused at line {at} of {scene.shown().lines}"
    return [_rule(title, cells, glyphs), *pane]


def _rule(title: str, cells: int, glyphs: Glyphs) -> Row:
    head = cut_row((Bit(f"{glyphs.rule * 2} ", "dim"), Bit(title, "bold"), Bit(" ")), cells, glyphs.cut)
    filled = pad(head, cells)
    return (*head, Bit(glyphs.rule * len(filled[-1].text), "dim")) if len(filled) > len(head) else head


def _chosen(scene: Scene) -> MODEL | None:
    return scene.mirror.models.get(scene.screen.chosen or "")


def _notice(scene: Scene, look: Look) -> Bit | None:
    """What has to be said before anything else."""
    note = scene.note if scene.note is not None and scene.note.until > look.moment else None
    if scene.away and (note is None or note.until == inf):  # what was begun may take as long as it is away
        return Bit(scene.away, "bold red")
    return Bit(note.text, note.level.value) if note is not None else None
