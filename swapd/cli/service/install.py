"""``swapd service install``, step by step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import swapd
from swapd.cli.failure import BadConfig, Failed
from swapd.cli.service import files
from swapd.cli.service.systemd import Systemd
from swapd.config import load
from swapd.core.settings import Address

HIDDEN = ("/tmp", "/var/tmp")
"""Where the unit has a folder of its own instead of the machine's."""


def check_place(place: files.Place, wanted: files.Wanted, now: bool) -> None:
    """Raises BadConfig if the service could not run what it is to run."""
    if now and not wanted.config.is_file():
        raise BadConfig(f"cannot start the service: there is no config at {wanted.config}; write it first")
    if place.user:
        return
    needed = [wanted.program, Path(sys.executable), Path(sys.base_prefix), Path(swapd.__file__)]
    for path in needed:
        if any(path.is_relative_to(folder) for folder in HIDDEN):
            raise BadConfig(
                f"cannot install the service: it does not see {path}; install swapd below /opt or /usr"
            )
    for path, culprit in files.closed(needed):
        advice = "install swapd where all may read it, e.g. below /opt; or say --user for a service of your own"
        raise BadConfig(
            f"cannot install the service: its user swapd may not use {path} ({culprit} is closed); {advice}"
        )


def listening(config: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The addresses that systemd is to hold: the config's, or the default where it tells none.

    Raises BadConfig if it cannot.
    """
    settings = load(config, environ).found_at if config.is_file() else None
    addresses = settings.listen if settings is not None else (Address(),)
    return tuple(_for_systemd(address).replace("%", "%%") for address in addresses)


def _for_systemd(address: Address) -> str:
    """It knows no names, and picks no port."""
    if address.path is not None:
        return address.path
    known = replace(address, host="127.0.0.1") if address.host == "localhost" else address
    try:
        ip_address(known.host)
        reason = "" if known.port else "it needs to know the port"
    except ValueError:
        reason = "it needs the address instead of the name"
    if reason:
        raise BadConfig(f"cannot let systemd hold {address}: {reason}; change `listen` in the config")
    return str(known)


def edited(verb: str, paths: list[Path]) -> str:
    """Why we refuse to touch them, and what to do."""
    named = "\n".join(f"  {path}" for path in paths)
    advice = "move your changes into a drop-in (`systemctl edit swapd`), or say --force to have these files go"
    return f"cannot {verb} the service: edited since, or never ours:\n{named}\n{advice}"


class Install:
    """One call of it."""

    def __init__(
        self, place: files.Place, wanted: files.Wanted, systemd: Systemd, say: Callable[[str], None]
    ) -> None:
        self._place = place
        self._wanted = wanted
        self._systemd = systemd
        self._say = say
        try:
            self._texts = files.texts(place, wanted)
        except OSError as error:
            raise Failed(f"cannot install the service: {error}") from error

    def run(self, *, force: bool, now: bool) -> None:
        """Raises Failed at the step that did not work; those before it stay done."""
        states = {path: files.state_of(path, self._texts.get(path)) for path in self._place.all_files()}
        foreign = [path for path, state in states.items() if state == "edited" and path in self._texts]
        if foreign and not force:
            raise Failed(edited("install", foreign))
        for path, state in states.items():
            self._settle(path, state)
        self._prepare()
        self._systemd.do("daemon-reload")
        self._enable(now)
        self._advise(now)

    def _settle(self, path: Path, state: str) -> None:
        """Bring one file to what it is to be."""
        text = self._texts.get(path)
        if text is None:
            if state == "outdated":  # of an earlier call with other options
                self._say(f"remove {path}")
                self._systemd.unless_dry(path.unlink)
        elif state == "as it should be":
            self._say(f"{path} is as it should be")
        else:
            self._say(f"write {path}")
            self._systemd.unless_dry(lambda: self._put(path, text))

    def _put(self, path: Path, text: str) -> None:
        try:
            kept = files.put(path, text)
        except OSError as error:
            raise Failed(f"cannot write {path}: {error.strerror}") from error
        if kept is not None:
            self._say(f"  what was there is {kept} now")

    def _prepare(self) -> None:
        """The user, the folders; and what systemd thinks of the units."""
        if not self._place.user:
            self._systemd.run("systemd-sysusers", str(self._place.others["swapd.sysusers"]))
            self._systemd.run("systemd-tmpfiles", "--create", str(self._place.others["swapd.tmpfiles"]))
        units = [str(path) for path in (self._place.service, self._place.socket) if path in self._texts]
        self._systemd.run("systemd-analyze", *(["--user"] if self._place.user else []), "verify", *units)

    def _enable(self, now: bool) -> None:
        """With a socket unit, that is what is started at boot, and the service with it."""
        units = ["swapd.socket"] if self._wanted.listen else []
        self._systemd.do("enable", *(["--now"] if now else []), *units, "swapd.service")

    def _advise(self, now: bool) -> None:
        own = " --user" if self._place.user else ""
        if not self._wanted.config.is_file():
            self._say(f"next: write {self._wanted.config}, then systemctl{own} start swapd")
        elif not now:
            self._say(f"next: systemctl{own} restart swapd")
        if self._place.user:
            self._say("to keep it when you log out: loginctl enable-linger")
