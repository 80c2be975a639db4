"""The way through a scan: every file that may be a model, then what each of them is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from swapd.core.spec import PLACEHOLDERS
from swapd.core.text import one_line
from swapd.scan import kinds, naming
from swapd.scan.found import Candidate, Facts, Model, ReadFacts, Scan
from swapd.scan.mates import Sight, parts_of, projectors
from swapd.scan.ollama import are_alike, stored
from swapd.scan.places import newer_of
from swapd.scan.walk import DEPTH, Walk

MOST_FILES = 5000
"""Files that are opened, unless somebody says otherwise."""
MOST_TITLE = 60


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file whose header was read."""

    candidate: Candidate
    parts: list[Path]
    facts: Facts

    @property
    def stem(self) -> str:
        return naming.stem_of(self.candidate.path.name)

    @property
    def called(self) -> str:
        """What the file says it is called."""
        said = self.facts.values.get("general.name")
        return one_line(said.strip())[:MOST_TITLE] if isinstance(said, str) else ""

    @property
    def quant(self) -> str:
        return naming.quant_of(self.stem, self.facts.values.get("general.file_type"))

    @property
    def title(self) -> str:
        """What people read: the name, and the quantization where the name does not say it."""
        name = self.called or self.candidate.name or self.stem
        quant = "" if self.quant in name else self.quant
        return ", ".join(filter(None, (one_line(name)[:MOST_TITLE], quant)))

    @property
    def sight(self) -> Sight:
        base = naming.short(self.stem, "", "")
        return Sight(self.candidate.path, base, naming.quant_of(self.stem))


@dataclass(slots=True)
class Search:
    """``read``: the header of a file. ``scan`` grows while ``run`` is under way, and may be watched."""

    read: ReadFacts
    depth: int = DEPTH
    most: int = MOST_FILES
    scan: Scan = field(default_factory=Scan)
    looking_at: str = ""
    also: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    """Further names of files in a store, by their identity."""

    def run(self, folders: Iterable[Path], stores: Iterable[Path] = (), taken: Collection[str] = ()) -> Scan:
        """Find all models below the folders and in Ollama's stores. ``taken``: names that are not to be given.

        An interrupt ends it early, with what was found until then.
        """
        candidates: list[Candidate] = []
        seen: list[_Seen] = []
        try:
            for candidate in self._candidates(folders, stores):
                if len(candidates) >= self.most:
                    self.scan.cut = f"it ended at {self.most} files: see --limit"
                    break
                candidates.append(candidate)
            for candidate, parts in self._once(candidates):
                if (facts := self._facts(candidate.path)) is not None:
                    seen.append(_Seen(candidate, parts, facts))
        except KeyboardInterrupt:
            self.scan.cut, self.scan.interrupted = (
                "it was interrupted, and this is what was found until then",
                True,
            )
        self._tell(seen, taken)
        return self.scan

    def _candidates(self, folders: Iterable[Path], stores: Iterable[Path]) -> Iterator[Candidate]:
        walk = Walk(self.scan, self.depth, partial(stored, scan=self.scan))
        for folder in (*folders, *stores):
            self.looking_at = str(folder)
            self.scan.folders.append(folder)
            yield from walk.files(folder)

    def _once(self, candidates: list[Candidate]) -> Iterator[tuple[Candidate, list[Path]]]:
        """Each file by its first name, a folder's before a store's; parts of a model with the first of them."""
        met: dict[tuple[int, int], Candidate] = {}
        for candidate in sorted(candidates, key=lambda each: (each.name, str(each.path))):
            if newer := newer_of(candidate.path):
                if not newer.samefile(candidate.path):
                    self.scan.leave(candidate.path, "an older revision of a file that is there")
                continue
            parts = parts_of(candidate.path, self.scan)
            if parts is None:
                continue
            if (first := met.setdefault(candidate.identity, candidate)) is candidate:
                yield candidate, parts
            elif candidate.name:
                self._note_name(candidate, first)

    def _note_name(self, candidate: Candidate, first: Candidate) -> None:
        """Another name of a file: of the same model, or of one with other words around the same weights."""
        manifests = (candidate.manifest, first.manifest)
        if all(manifests) and are_alike(*filter(None, manifests)):
            self.also.setdefault(first.identity, []).append(candidate.name)
        else:
            self.scan.leave(candidate.path, f"'{candidate.name}' is a file that was found already")

    def _facts(self, path: Path) -> Facts | None:
        self.looking_at = str(path)
        try:
            str(path).encode()
            facts = self.read(path)
        except UnicodeEncodeError:
            facts = "its name is not UTF-8, so no config can say it: rename it"
        if any(name in str(path) for name in (*PLACEHOLDERS, "${model}")):
            facts = "its name holds what means something else in a config: rename it"
        if isinstance(facts, str):
            self.scan.leave(path, facts)
            return None
        return facts

    def _tell(self, seen: list[_Seen], taken: Collection[str]) -> None:
        models = [each for each in seen if not self._is_left(each)]
        found = [each.sight for each in seen if kinds.is_projector(each.facts, each.candidate.path)]
        chats = [each.sight for each in models if _kind(each) == kinds.CHAT and not each.candidate.name]
        mated = projectors(chats, found, self.scan)
        names = naming.unique([_wanted(each) for each in models], taken)
        given = {*names, *taken}
        for each, name in zip(models, names, strict=True):
            names_too = self.also.get(each.candidate.identity, ())
            model = _model(each, name, mated.get(each.candidate.path, each.candidate.mmproj), names_too, given)
            given.update(model.aliases)
            self.scan.models.append(model)

    def _is_left(self, each: _Seen) -> bool:
        if kinds.is_projector(each.facts, each.candidate.path):
            return True
        if why := kinds.no_model(each.facts):
            self.scan.leave(each.candidate.path, why)
        return bool(why)


def _kind(each: _Seen) -> str:
    return kinds.kind_of(each.facts, each.candidate.name or each.stem)


def _wanted(each: _Seen) -> tuple[str, str]:
    """The name without quantization, and that."""
    if each.candidate.name:
        return naming.plain_store(each.candidate.name)[0], ""
    return naming.short(each.stem, each.called, each.candidate.path.parent.name), each.quant


def _model(each: _Seen, name: str, mmproj: Path | None, names_too: Iterable[str], given: Collection[str]) -> Model:
    aliases = naming.plain_store(each.candidate.name)[1] if each.candidate.name else ()
    for other in names_too:
        first, further = naming.plain_store(other)
        aliases = (*aliases, first, *further)
    return Model(
        name=name,
        path=each.candidate.path,
        size=sum(part.stat().st_size for part in each.parts),
        kind=(kind := _kind(each)),
        title=each.title,
        trained=kinds.trained_context(each.facts),
        template="tokenizer.chat_template" in each.facts.values,
        caveat=kinds.caveat(each.facts, kind),
        identity=each.candidate.identity,
        mmproj=mmproj,
        pooling=kinds.pooling(each.facts, kind),
        aliases=tuple(alias for alias in dict.fromkeys(aliases) if alias not in given),
    )
