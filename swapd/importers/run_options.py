"""A service of a compose file as the options of ``docker run`` that say the same.

Keys as the Compose file reference has them, options as ``docker run``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

from swapd.importers.sheet import listed, mapping, text

Option = tuple[str, str | None]
"""A name with its value; None for one that stands alone."""

_ONE = {
    "runtime": "--runtime",
    "ipc": "--ipc",
    "shm_size": "--shm-size",
    "user": "--user",
    "working_dir": "--workdir",
    "network_mode": "--network",
    "platform": "--platform",
    "hostname": "--hostname",
    "pid": "--pid",
    "mem_limit": "--memory",
    "cpus": "--cpus",
    "cpuset": "--cpuset-cpus",
    "container_name": "--name",
    "pull_policy": "--pull",
}
"""A service's keys with one value, and the option of ``docker run`` that says the same."""
_SEVERAL = {
    "devices": "--device",
    "cap_add": "--cap-add",
    "cap_drop": "--cap-drop",
    "security_opt": "--security-opt",
    "group_add": "--group-add",
    "tmpfs": "--tmpfs",
    "dns": "--dns",
}
_FLAGS = {"privileged": "--privileged", "init": "--init", "read_only": "--read-only"}


def known(key: str) -> bool:
    """Whether a key of a service is an option by itself."""
    return key in _ONE or key in _SEVERAL or key in _FLAGS or key in _STRUCTURED


def options(key: str, value: Any) -> Iterator[Option]:
    """Those that one key comes to."""
    if key in _ONE and text(value):
        yield _ONE[key], text(value)
    elif key in _FLAGS and value is True:
        yield _FLAGS[key], None
    elif key in _SEVERAL:
        for each in listed(value) or [value]:
            yield _SEVERAL[key], text(each)
    elif key in _STRUCTURED:
        yield from _STRUCTURED[key](value)


def _environment(value: Any) -> Iterator[Option]:
    for each in listed(value):
        yield "-e", text(each)
    for name, given in mapping(value).items():
        yield "-e", name if given is None else f"{name}={text(given)}"


def _ports(value: Any) -> Iterator[Option]:
    for each in listed(value):
        if isinstance(each, dict):
            yield "-p", f"{text(each.get('published')) or '0'}:{text(each.get('target'))}"
        else:
            yield "-p", text(each)


def _hosts(value: Any) -> Iterator[Option]:
    for each in listed(value):
        yield "--add-host", text(each).replace("=", ":", 1)
    for name, address in mapping(value).items():
        yield "--add-host", f"{name}:{text(address)}"


def _deployed(value: Any) -> Iterator[Option]:
    limits = mapping(mapping(mapping(value).get("resources")).get("limits"))
    for key, option in (("cpus", "--cpus"), ("memory", "--memory"), ("pids", "--pids-limit")):
        if said := text(limits.get(key)):
            yield option, said


def _ulimits(value: Any) -> Iterator[Option]:
    for name, given in mapping(value).items():
        limits = mapping(given)
        said = f"{text(limits.get('soft'))}:{text(limits.get('hard'))}" if limits else text(given)
        yield "--ulimit", f"{name}={said}"


_STRUCTURED: dict[str, Callable[[Any], Iterator[Option]]] = {
    "environment": _environment,
    "ports": _ports,
    "ulimits": _ulimits,
    "extra_hosts": _hosts,
    "deploy": _deployed,
}


def mount(value: Any, folder: str) -> str:
    """``HOST:CONTAINER[:ro]``, with a path of the host made absolute."""
    if isinstance(value, dict):
        only = ":ro" if value.get("read_only") is True else ""
        value = f"{text(value.get('source'))}:{text(value.get('target'))}{only}"
    host, colon, rest = text(value).partition(":")
    if host.startswith("."):
        host = str(PurePath(folder, host.removeprefix("./") if host != "." else ""))
    elif host == "~" or host.startswith("~/"):
        host = "${env.HOME}" + host[1:]
    return host + colon + rest


def gpus(service: dict[str, Any]) -> Iterator[Option]:
    """What ``deploy.resources.reservations.devices`` or ``gpus`` ask for."""
    wanted = service.get("gpus")
    if wanted == "all":
        yield "--gpus", "all"
    reserved = mapping(mapping(mapping(service.get("deploy")).get("resources")).get("reservations"))
    for device in [mapping(each) for each in [*listed(reserved.get("devices")), *listed(wanted)]]:
        if "gpu" not in listed(device.get("capabilities")) and "driver" not in device and not wanted:
            continue
        if ids := [text(each) for each in listed(device.get("device_ids"))]:
            yield "--gpus", f'"device={",".join(ids)}"'
        else:
            yield "--gpus", text(device.get("count")) or "all"
