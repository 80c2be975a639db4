"""The files that make swapd a service of systemd: what they say, and whether those on the disk still say it.

Each begins with a mark, a digest of the rest. So what was edited since is told from what is only of another time:
nobody's edit is overwritten or removed unasked.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "# Written by `swapd service install`. Edits belong into drop-ins (systemctl edit); this file's digest is "
VENDORS = ("nvidia", "amd", "intel")
_PCI = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
_ADDRESS = re.compile(r"^ListenStream=.*$", re.MULTILINE)
_CONFIG = re.compile(r"^ExecStart=.* serve --config (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service goes: the machine's or one user's, and the words that the templates have for its paths."""

    units: Path
    user: bool
    program: str
    config: str
    others: Mapping[str, Path]
    """Template -> file, of what is no unit."""

    @property
    def service(self) -> Path:
        """The unit."""
        return self.units / "swapd.service"

    @property
    def socket(self) -> Path:
        """The unit that holds the address."""
        return self.units / "swapd.socket"

    def drop_in(self, vendor: str) -> Path:
        """What opens the GPUs of a vendor."""
        return self.units / "swapd.service.d" / f"gpu-{vendor}.conf"

    def all_files(self) -> list[Path]:
        """Whatever `install` may have written here."""
        return [self.service, self.socket, *map(self.drop_in, VENDORS), *self.others.values()]


def of_machine(root: Path = Path("/")) -> Place:
    """The service that all use, under a user of its own."""
    others = {
        "swapd.sysusers": root / "etc/sysusers.d/swapd.conf",
        "swapd.tmpfiles": root / "etc/tmpfiles.d/swapd.conf",
    }
    units = root / "etc/systemd/system"
    return Place(units, False, "/usr/local/bin/swapd", "/etc/swapd/swapd.yaml", others)


def of_user(environ: Mapping[str, str]) -> Place:
    """The service of whoever calls."""
    home = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Place(Path(home) / "systemd/user", True, "%h/.local/bin/swapd", "%h/.config/swapd/swapd.yaml", {})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the files are to say: the program, its config, whose GPUs, the addresses that systemd is to hold.

    ``listen``: as systemd.socket(5) wants them.
    """

    program: Path
    config: Path
    gpus: tuple[str, ...] = ()
    listen: tuple[str, ...] = ()


def texts(place: Place, wanted: Wanted) -> dict[Path, str]:
    """Each file and what it is to say, mark included. Raises OSError if this installation lacks the templates."""
    service = "user/swapd.service" if place.user else "swapd.service"
    found = {place.service: _read(service)}
    if wanted.listen:
        lines = "\n".join(f"ListenStream={address}" for address in wanted.listen)
        found[place.socket] = _ADDRESS.sub(lambda _: lines, _read("swapd.socket"))
    found |= {place.drop_in(vendor): _read(f"gpu/{vendor}.conf") for vendor in wanted.gpus if not place.user}
    found |= {file: _read(template) for template, file in place.others.items()}
    words = {place.program: quoted(wanted.program), place.config: quoted(wanted.config)}
    return {path: _marked(_replaced(text, words)) for path, text in found.items()}


def state_of(path: Path, text: str | None) -> str:
    """``missing``, ``as it should be``, ``edited``, or else ``outdated``: ours, and not what it would be now."""
    try:
        present = path.read_text()
    except FileNotFoundError:
        return "missing"
    if present == text:
        return "as it should be"
    head, _, body = present.partition("\n")
    return "outdated" if _marked(body).partition("\n")[0] == head else "edited"


def config_of(unit: str) -> Path | None:
    """Which config a unit's text names."""
    found = _CONFIG.search(unit)
    return Path(_unquoted(found[1])) if found else None


def put(path: Path, text: str) -> Path | None:
    """Write it whole or not at all. What somebody edited is kept beside it: the name of that. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = None
    if state_of(path, text) == "edited":
        kept = path.with_name(f"{path.name}.edited")
        path.replace(kept)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
    Path(file.name).replace(path)
    return kept


def gpus(root: Path = Path("/")) -> tuple[str, ...]:
    """Whose GPUs the machine has, as far as the nodes of their drivers tell."""
    found = set(_by_nodes(root))
    for file in root.glob("sys/class/drm/renderD*/device/vendor"):
        found |= {vendor for number, vendor in _PCI.items() if file.read_text().strip() == number}
    return tuple(vendor for vendor in VENDORS if vendor in found)


def quoted(path: Path) -> str:
    """As systemd.syntax(7) wants a path in a command line."""
    text = str(path).replace("%", "%%").replace("$", "$$")
    if not re.search(r"[\s\"';\\]", text):
        return text
    return '"' + re.sub(r"([\"\\])", r"\\\1", text) + '"'


def _unquoted(word: str) -> str:
    """What was ``quoted``."""
    if word.startswith('"'):
        word = re.sub(r"\\(.)", r"\1", word[1:-1])
    return word.replace("%%", "%").replace("$$", "$")


def closed(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Of the paths, those that another user cannot get at: (path, the folder or file that is closed)."""
    for path in paths:
        real = path.resolve()
        for each in (*reversed(real.parents), real):
            try:
                mode = each.stat().st_mode
            except OSError:
                break
            if not mode & (0o001 if each.is_dir() else 0o004):
                yield path, each
                break


def _by_nodes(root: Path) -> Iterator[str]:
    if (root / "dev/nvidiactl").exists() or (root / "dev/nvidia0").exists():
        yield "nvidia"
    if (root / "dev/kfd").exists():
        yield "amd"


def _read(name: str) -> str:
    """A template: beside us in a wheel, at the top of a source tree."""
    here = Path(__file__).parent
    for folder in (here.parent / "units", here.parents[2] / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_text()
    raise FileNotFoundError(f"this installation of swapd has no systemd/{name}")


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def _marked(body: str) -> str:
    return f"{MARK}{hashlib.sha256(body.encode()).hexdigest()[:16]}\n{body}"
