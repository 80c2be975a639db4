"""The top-level keys that are not about models: where to listen, whom to let in, how much."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path

from swapd.config import schema
from swapd.config.manners import ANY
from swapd.config.problems import Place, Problems
from swapd.config.sources import items
from swapd.config.tree import Map
from swapd.core.settings import Address, Limits, LogSettings, Settings

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", re.ASCII)


def settings(
    top: Map, config: schema.Config, environ: Mapping[str, str], home: str, problems: Problems, warnings: Problems
) -> Settings:
    """The Settings but for the keys, which ``keys`` finds."""
    listen = _listen(top, config, problems)
    _check_exposure(top, config, listen, problems, warnings)
    return Settings(
        listen=listen or (Address(),),
        insecure=config.insecure,
        origins=_origins(top, config, problems),
        hosts=config.hosts,
        trusted_proxies=config.trusted_proxies,
        limits=Limits(config.limits.body, config.limits.upload, config.limits.connections),
        keepalive_comments=config.keepalive_comments,
        log=LogSettings(config.log.level, config.log.format, config.log.access),
        state_dir=config.state_dir or _usual_state_dir(environ, home),
        trace=config.trace,
        adoption=config.adoption or None,
    )


def _origins(top: Map, config: schema.Config, problems: Problems) -> tuple[str, ...]:
    origins, given = config.cors.origins, top.get("cors")
    if ANY in origins and len(origins) > 1 and isinstance(given, Map):
        problems.add(
            given.place_of("origins"), "cors.origins", "'*' lets every page in: leave it alone or remove it"
        )
    return origins


def _usual_state_dir(environ: Mapping[str, str], home: str) -> str:
    """The folder that systemd made for us (the first, if it made several), else the user's own."""
    if made := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return made
    base = Path(environ.get("XDG_STATE_HOME", ""))
    # The XDG base directory specification: a path that is not absolute is to be ignored.
    return str((base if base.is_absolute() else Path(home, ".local/state")) / "swapd")


def address(text: str, folder: Path) -> Address:
    """``127.0.0.1:9292``, ``[::1]:9292`` or ``unix:/path``; a relative path is in ``folder``.

    Raises ValueError with the advice.
    """
    if text.startswith("unix:") and len(text) > 5:
        return Address(path=os.path.normpath(folder / text[5:]))
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no address: write {_advice(text.lstrip(':'))}")
    host, port = match[1] or match[2], int(match[3])
    if port > 65535:
        raise ValueError(f"there is no port {port}: the highest is 65535")
    if match[1]:
        ipaddress.IPv6Address(host)  # its ValueError names what is wrong
    return Address(host, port)


def _advice(text: str) -> str:
    if text.isdecimal():
        return f"127.0.0.1:{text}, or 0.0.0.0:{text} for all interfaces"
    return "127.0.0.1:9292, [::1]:9292 or unix:/path"


def loopback(address: Address) -> bool:
    """Only this machine can reach it."""
    try:
        return address.path is not None or ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return address.host == "localhost"


def _listen(top: Map, config: schema.Config, problems: Problems) -> tuple[Address, ...]:
    found: list[Address] = []
    places = _places(top)
    for n, text in enumerate(config.listen):
        try:
            one = address(text, Path(places[n].file).absolute().parent)
            if one in found and one.port:
                raise ValueError(f"'{text}' is given twice: remove one")
            found.append(one)
        except ValueError as error:
            problems.add(places[n], "listen", str(error))
    return tuple(found)


def _places(top: Map) -> list[Place]:
    return [item.place for item in items(top.get("listen"))] or [top.place]


def _check_exposure(
    top: Map, config: schema.Config, listen: tuple[Address, ...], problems: Problems, warnings: Problems
) -> None:
    """Whoever listens to the world without a key has to say that it is meant."""
    admin = top.get("admin")
    guarded = isinstance(admin, Map) and bool(admin.entries.keys() & {"key", "key_file"})
    if config.clients or config.insecure:
        return
    for one in listen:
        if loopback(one):
            continue
        seen, advice = f"{one} can be reached from other machines", "or say 'insecure: true'"
        if guarded:
            message = (
                f"{seen}, and 'admin.key' does not guard the models: set 'clients', {advice} if all may use them"
            )
            warnings.add(_places(top)[0], "listen", message)
        else:
            why = "and no key guards it: set 'clients' or 'admin.key', listen on 127.0.0.1,"
            problems.add(_places(top)[0], "listen", f"{seen} {why} {advice}")
