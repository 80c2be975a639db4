"""Which daemon a verb talks to: ``--url``, else what the config says, else the default address."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from swapd.cli.console import stderr
from swapd.cli.failure import BadConfig
from swapd.core.settings import Address

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen on that nobody can connect to, and the one that reaches them from here."""

config_option = click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="The config file. [default: $SWAPD_CONFIG, ./swapd.yaml, ~/.config/swapd/swapd.yaml, "
    "/etc/swapd/swapd.yaml]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the data as JSON.")


@dataclass(frozen=True, slots=True)
class Target:
    """A daemon's base URL (or ``unix:/path``), the operator's key, and what makes the URL doubtful."""

    url: str
    key: str | None = None
    doubt: str = ""


def talks_to_daemon(verb: Callable[..., None]) -> Callable[..., None]:
    """Give the verb ``-c`` and ``--url``, and hand it the Target that they lead to as ``target``."""

    @config_option
    @click.option(
        "--url",
        envvar="SWAPD_URL",
        show_envvar=True,
        help="The daemon's address: http://host:port or unix:/path; its key comes from $SWAPD_ADMIN_KEY. "
        "[default: from the config]",
    )
    @functools.wraps(verb)
    def wrapped(config: str | None, url: str | None, **rest: Any) -> None:
        verb(target=find_target(config, url, os.environ), **rest)

    return wrapped


def find_target(config: str | None, url: str | None, environ: Mapping[str, str]) -> Target:
    """Raises BadConfig if the config that was named does not exist, or tells no address."""
    key = environ.get("SWAPD_ADMIN_KEY") or None
    if url is not None:
        return Target(url if "://" in url or url.startswith("unix:") else f"http://{url}", key)
    # Who gives the address need not wait for the room that reads configs.
    from swapd.config import ConfigNotFound, find_config, load  # noqa: PLC0415

    default = f"http://{Address()}"
    try:
        path = find_config(config, environ, Path.cwd())
    except ConfigNotFound:
        return Target(default, key, "no config was found, so this is the default address; --url names another")
    if not path.exists():
        raise BadConfig(f"cannot read the config '{path}': there is no such file")
    # Of a config with problems too: its daemon goes on with the one before.
    settings = load(path, environ).found_at
    if settings is None:
        # Told in any case: another daemon may listen there, and do what was meant for this one.
        doubt = f"{path} has problems (see `swapd check`): asking the default address; --url names another"
        stderr().line(doubt, style="yellow")
        return Target(default, key)
    where, doubt = _found(path, Path(settings.state_dir), settings.listen[0])
    return Target(where, key or settings.admin_key, doubt)


def _found(config: Path, state: Path, address: Address) -> tuple[str, str]:
    """The URL of the config's daemon, and what makes it doubtful. Raises BadConfig.

    `listen` may have been edited since it was started: where it listens is written in its state folder.
    """
    from swapd.address import look  # noqa: PLC0415  (as above)
    from swapd.engines.house import is_lived_in  # noqa: PLC0415

    told = look(state, config)
    if not told or not is_lived_in(state):
        return url_of(address), ""
    urls = [_reachable(url) for url in told]
    said = None if address.port == 0 and address.path is None else url_of(address)
    if said is None or said in urls:
        return said or urls[0], ""
    doubt = f"{config} says {said}, but its daemon was started before that: by {state} it listens at {urls[0]}"
    return urls[0], doubt


def _reachable(url: str) -> str:
    """The same from this machine."""
    for everywhere, here in (("http://0.0.0.0:", "http://127.0.0.1:"), ("http://[::]:", "http://[::1]:")):
        if url.startswith(everywhere):
            return here + url.removeprefix(everywhere)
    return url


def url_of(address: Address) -> str:
    """The URL that reaches the address from this machine. Raises BadConfig for port 0."""
    if address.path is not None:
        return f"unix:{address.path}"
    if address.port == 0:
        raise BadConfig("cannot tell the daemon's address: `listen` has port 0; give --url as its log says it")
    host = EVERYWHERE.get(address.host, address.host)
    return f"http://{Address(host, address.port)}"
