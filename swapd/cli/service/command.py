"""``swapd service``: swapd as a service of systemd."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from swapd.cli.console import Bit, Console, Line, stdout
from swapd.cli.failure import Failed
from swapd.cli.service import files
from swapd.cli.service.install import Install, check_place, edited, listening
from swapd.cli.service.look import looked
from swapd.cli.service.systemd import Systemd, find_program
from swapd.cli.target import json_option

user_option = click.option("--user", is_flag=True, help="The service of this user, not of the machine.")
dry_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
force_option = click.option(
    "--force", is_flag=True, help="Replace what was edited too: it is kept beside, as FILE.edited."
)


@click.group("service")
def verb() -> None:
    """Make swapd a service of systemd, look at it, or undo that."""


@verb.command("install")
@user_option
@click.option(
    "--gpu",
    "gpu",
    multiple=True,
    type=click.Choice(["auto", "none", *files.VENDORS]),
    default=["auto"],
    show_default=True,
    help="Whose GPUs the service may use; may be given twice.",
)
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="Its config. [default: /etc/swapd/swapd.yaml; with --user ~/.config/swapd/swapd.yaml]",
)
@click.option("--socket", is_flag=True, help="Let systemd hold the address, so that a restart refuses nobody.")
@click.option("--now", is_flag=True, help="Start it too.")
@dry_option
@force_option
def install(user: bool, gpu: tuple[str, ...], config: str | None, socket: bool, now: bool, **how: bool) -> None:
    """Write the units and enable the service. systemd verifies them first; each step is told."""
    place = _place(user)
    path = Path(config).expanduser().absolute() if config else _usual_config(place)
    listen = listening(path, os.environ) if socket else ()
    vendors = files.gpus() if "auto" in gpu else tuple(v for v in files.VENDORS if v in gpu)
    wanted = files.Wanted(find_program(), path, () if user else vendors, listen)
    dry = how["dry_run"]
    systemd = Systemd(user, os.environ, dry, _say())
    if not dry:
        systemd.check_here("install")
    check_place(place, wanted, now)
    Install(place, wanted, systemd, _say()).run(force=how["force"], now=now)


@verb.command("uninstall")
@user_option
@dry_option
@force_option
def uninstall(user: bool, dry_run: bool, force: bool) -> None:
    """Stop and disable the service, and remove what `install` wrote. Config and state stay."""
    place, say = _place(user), _say()
    systemd = Systemd(user, os.environ, dry_run, say)
    if not dry_run:
        systemd.check_here("uninstall")
    present = {path: files.state_of(path, None) for path in place.all_files()}
    foreign = [path for path, state in present.items() if state == "edited"]
    if foreign and not force:
        raise Failed(edited("uninstall", foreign))
    units = [unit.name for unit in (place.socket, place.service) if present[unit] != "missing"]
    if units:
        systemd.do("disable", "--now", *units)
    for path, state in present.items():
        if state != "missing":
            say(f"remove {path}")
            systemd.unless_dry(path.unlink)
    systemd.unless_dry(lambda: _remove_empty(place.drop_in("").parent))
    systemd.do("daemon-reload")
    left = "~/.config/swapd and ~/.local/state/swapd" if user else "/etc/swapd, /var/lib/swapd and the user swapd"
    say(f"done; {left} stay as they are")


@verb.command("status")
@user_option
@json_option
def status(user: bool, as_json: bool) -> None:
    """Tell whether it is installed, enabled and active. Also: as it would be now, how exposed."""
    found = looked(_place(user), Systemd(user, os.environ, False, _say()))
    if as_json:
        stdout().json(found)
    else:
        show(stdout(), found)


def show(console: Console, found: dict[str, Any]) -> None:
    """A line for each fact; files first."""
    for path, state in found["files"].items():
        good = state == "as it should be"
        console.bits(Bit(state.ljust(16), "green" if good else "yellow"), Bit(path))
    facts = {name: value for name, value in found.items() if name != "files" and value not in {None, ""}}
    for name, value in facts.items():
        console.bits(*Line((Bit(name.ljust(16), "dim"), Bit(str(value)))).bits)


def _place(user: bool) -> files.Place:
    return files.of_user(os.environ) if user else files.of_machine()


def _usual_config(place: files.Place) -> Path:
    return Path(place.config.replace("%h", str(Path.home())))


def _remove_empty(folder: Path) -> None:
    """A folder of drop-ins without any."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _say() -> Callable[[str], None]:
    return lambda text: stdout().copyable(Bit(text))
