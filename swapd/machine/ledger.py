"""What engines really took, remembered across restarts.

An entry belongs to a launch (its fingerprint) placed on a set of devices. Of two daemons with one state folder the
last to save wins. Nothing here raises: without its ledger swapd estimates, as it did the first time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from swapd.machine import ledger_file

NAME = "ledger.json"
MOST_ENTRIES = 1000
"""The last recorded are kept."""
LATEST = 5
"""Runs whose steady use counts. A context fills over hours, so one short run must not make us forget that; but
what was learned on one odd day is to wear off."""

_MOST = 1 << 60
Amount = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes by resource that one run took: the most while it loaded, the most since its first requests."""

    peak: Mapping[str, Amount] = field(default_factory=dict)
    steady: Mapping[str, Amount] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """One load that ended ready. ``warm``: its files were in the page cache."""

    seconds: float
    warm: bool


@dataclass(frozen=True, slots=True)
class Loads:
    """How many loads were seen, and the seconds that a cold and a warm one take.

    Each is the mean of its last load and of what it was before: one load from a busy disk counts by half.
    """

    count: Amount = 0
    cold: Seconds | None = None
    warm: Seconds | None = None

    def after(self, load: Load) -> Loads:
        """With one more."""
        before = self.warm if load.warm else self.cold
        seconds = load.seconds if before is None else (before + load.seconds) / 2
        if load.warm:
            return Loads(self.count + 1, self.cold, seconds)
        return Loads(self.count + 1, seconds, self.warm)


class Entry(msgspec.Struct, frozen=True):
    """What is remembered of one launch on one set of devices (none: the engine's own choice).

    ``seen``: when it was last heard of, ISO 8601 in UTC; ``peak``: the most of any run; ``recent``: the LATEST
    runs, the last one at the end; ``predicted``: what was reckoned with before the last load, empty for nothing.
    """

    model: str
    devices: tuple[str, ...]
    seen: str
    loads: Loads
    peak: Mapping[str, Amount]
    recent: tuple[Taken, ...]
    predicted: Mapping[str, Amount]

    @property
    def steady(self) -> dict[str, int]:
        """Bytes: the most that any of the recent runs took once it had served."""
        return _most(*(taken.steady for taken in self.recent))

    @property
    def error(self) -> dict[str, float]:
        """How wrong the last prediction was, as a share of what the last run took; above 0 it was too high.

        For each resource that was read, empty without a prediction. Where nothing was taken it is 1, or 0 if
        nothing was predicted either.
        """
        if not self.predicted or not self.recent:
            return {}
        last = self.recent[-1]
        took = _most(last.peak, last.steady)
        said = {name: self.predicted.get(name, 0) for name in took}
        return {name: (said[name] - took[name]) / (took[name] or said[name] or 1) for name in took}


def need_of(entry: Entry) -> dict[str, int]:
    """Bytes by resource to reckon with for the next load: it must get through its peak, and then serve."""
    return _most(entry.peak, entry.steady)


class Ledger:
    """Made by ``open``. ``save`` may run in a thread while ``recall`` and ``record`` are called on the loop."""

    def __init__(self, path: Path | None, entries: Mapping[str, Entry], warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._entries = entries  # replaced, never changed in place: a save may be reading it
        self._saved = entries
        self._failing = False
        self._saving = threading.Lock()

    @classmethod
    def open(cls, folder: Path | None, warn: Callable[[str], None]) -> Ledger:
        """Read what ``folder`` has, which is made if need be; None keeps the ledger in memory only.

        A file that cannot be understood is set aside beside it. Each trouble is told to ``warn`` in a sentence.
        """
        if folder is None:
            return cls(None, {}, warn)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            warn(_cannot_keep(folder, error))
            return cls(None, {}, warn)
        path = folder / NAME
        entries = _read(path, warn)
        if entries is None:
            return cls(None, {}, warn)
        if not os.access(folder, os.W_OK | os.X_OK):
            warn(_cannot_keep(folder, PermissionError("it is not writable")))
            return cls(None, entries, warn)
        ledger_file.sweep(path)
        return cls(path, entries, warn)

    @classmethod
    def peek(cls, folder: Path) -> Ledger:
        """What ``folder`` has, only to be looked at: nothing is made, set aside or saved."""
        path = folder / NAME
        try:
            entries = _sound(ledger_file.read(path), path, lambda _: None)
        except (FileNotFoundError, ledger_file.Unreadable):
            entries = {}
        return cls(None, entries, lambda _: None)

    def recall(self, key: str, devices: tuple[str, ...] = ()) -> Entry | None:
        """What is known of the launch with this fingerprint on these devices, in whatever order they are named."""
        return self._entries.get(_label(key, devices))

    def record(
        self,
        key: str,
        model: str,
        taken: Taken,
        *,
        devices: tuple[str, ...] = (),
        load: Load | None = None,
        predicted: Mapping[str, int] | None = None,
    ) -> Entry:
        """Note what a run took: when it is ready, and as often as there is news of it. In memory, until ``save``.

        ``load`` says that this is a new run; without it, it was the last run that took ``taken`` too.
        ``predicted``: what had been reckoned with for this load.
        """
        label = _label(key, devices)
        seen = datetime.now(UTC).isoformat(timespec="seconds")
        old = self._entries.get(label) or Entry(model, devices, seen, Loads(), {}, (), {})
        entry = Entry(
            model,
            devices,
            seen,
            old.loads.after(load) if load else old.loads,
            _most(old.peak, taken.peak),
            _told(old.recent, taken, new=load is not None),
            _most(predicted or {}) if load or predicted else old.predicted,
        )
        others = {name: other for name, other in self._entries.items() if name != label}
        self._entries = _latest(others | {label: entry})
        return entry

    @property
    def is_saved(self) -> bool:
        """Whether there is nothing to write. At once, whatever the disk does."""
        return self._path is None or self._entries is self._saved

    def save(self) -> None:
        """Write it, if there is news. Blocks on the disk. A failure is told once; the next save tries again."""
        with self._saving:
            entries = self._entries
            if self._path is None or entries is self._saved:
                return
            try:
                ledger_file.write(self._path, entries)
            except (OSError, ValueError) as error:
                if not self._failing:
                    self._warn(_cannot_keep(self._path.parent, error))
                self._failing = True
            else:
                self._saved, self._failing = entries, False


def _read(path: Path, warn: Callable[[str], None]) -> dict[str, Entry] | None:
    """The entries that make sense; None where there is a file that must not be written over."""
    try:
        return _latest(_sound(ledger_file.read(path), path, warn))
    except FileNotFoundError:
        return {}
    except ledger_file.Unreadable as error:
        trouble = f"cannot read the ledger {path}: {error}"
        anew = "swapd learns anew what models take"
        try:
            aside = ledger_file.set_aside(path, error.mark)
        except OSError as why:
            stays = f"it cannot be set aside either ({ledger_file.reason(why)}), so nothing is kept: move it away"
            warn(f"{trouble}; {anew}; {stays}")
            return None
        warn(f"{trouble}; it is now {aside.name}, and {anew}")
        return {}


def _sound(raw: Mapping[str, msgspec.Raw], path: Path, warn: Callable[[str], None]) -> dict[str, Entry]:
    """Those entries that can be read; all the others cost one warning."""
    found: dict[str, Entry] = {}
    bad: list[str] = []
    for label, told in raw.items():
        try:
            found[label] = msgspec.json.decode(told, type=Entry)
        except ledger_file.NONSENSE as error:
            bad.append(f"{label}: {error}")
    if bad:
        many = f"{len(bad)} of {len(raw)} entries"
        warn(f"cannot read {many} of the ledger {path} (first {bad[0]}); swapd learns anew what those models take")
    return found


def _label(key: str, devices: tuple[str, ...]) -> str:
    """An entry's name in the file: ``FINGERPRINT@CUDA0,CUDA1``."""
    return f"{key}@{','.join(sorted(devices))}" if devices else key


def _latest(entries: dict[str, Entry]) -> dict[str, Entry]:
    """Without the first ones if there are too many. Their order, not the wall clock, says which are old."""
    return dict(list(entries.items())[-MOST_ENTRIES:])


def _told(recent: tuple[Taken, ...], taken: Taken, *, new: bool) -> tuple[Taken, ...]:
    """With one more run, or with more news of the last one."""
    if recent and not new:
        *recent_before, last = recent
        merged = Taken(_most(last.peak, taken.peak), _most(last.steady, taken.steady))
        return (*recent_before, merged)
    return (*recent[1 - LATEST :], Taken(_most(taken.peak), _most(taken.steady)))


def _most(*amounts: Mapping[str, int]) -> dict[str, int]:
    """The largest of each resource, within what the file can hold: a lying header may have predicted anything."""
    names = dict.fromkeys(name for one in amounts for name in one)
    return {name: min(_MOST, max(0, *(one.get(name, 0) for one in amounts))) for name in names}


def _cannot_keep(folder: Path, error: Exception) -> str:
    return (
        f"cannot keep the ledger in {folder}: {ledger_file.reason(error)}; until that is mended, "
        "swapd learns anew after each restart what models take"
    )
