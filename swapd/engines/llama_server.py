"""``swapd-llama-server``: the llama.cpp HTTP server of the xllamacpp package, asked with llama-server's flags.

It stands in where no ``llama-server`` is installed, so it behaves as one: 503 while loading, exit 1 and a
message when it cannot start, killed by SIGTERM or SIGINT while loading, exit 0 on either once it is ready. One
thing it does better: it exits at once even while requests are in flight, where llama-server waits for clients.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn, cast

import swapd
from swapd.engines.llama_argv import HELP, VERSION, help_text, parse
from swapd.engines.llama_flags import DEVICES, DRAFT, HOSTS, LORA_FILES, MMPROJ, MODEL, PORT, Settings

DEFAULTS: Settings = {HOSTS: ["127.0.0.1"], PORT: 8080, "n_parallel": -1}
"""Where llama-server's defaults differ from those of xllamacpp."""

GIVE_NONE = {"n_gpu_layers": 0, "no_kv_offload": True, "no_op_offload": True, "mmproj_use_gpu": False}
"""What ``--device none`` comes to."""

STOPS = (signal.SIGTERM, signal.SIGINT)


class CannotStart(Exception):
    """The engine cannot start; the text says what cannot be done, and why."""


def main() -> None:
    """The console script."""
    # Python's own SIGINT handler would unwind a load, which llama.cpp never survives; the default one just kills.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Serve as ``argv`` says, until a signal ends the process. Returns the exit code of anything shorter."""
    if not set(HELP).isdisjoint(argv):
        sys.stdout.write(help_text())
        return 0
    if not set(VERSION).isdisjoint(argv):
        sys.stderr.write(version())
        return 0
    asked, complaints = parse(argv)
    settings = {**DEFAULTS, **asked}
    complaints = [*complaints, *read_environment(os.environ)] or list(defects(settings))
    if complaints:
        return _complain(*complaints)
    try:
        serve(settings)
    except CannotStart as trouble:
        return _complain(str(trouble))


def version() -> str:
    """In llama-server's manner, but naming the package, whose llama.cpp knows no build number."""
    try:
        package = f"xllamacpp {metadata.version('xllamacpp')}"
    except metadata.PackageNotFoundError:
        package = "xllamacpp is not installed"
    return f"version: {package} (swapd-llama-server {swapd.__version__})\n"


def read_environment(environ: Mapping[str, str]) -> Iterator[str]:
    """A complaint for each variable that llama-server would heed: ignoring an API key would open the door."""
    for name in sorted(environ):
        if name.startswith("LLAMA_ARG_") or name == "LLAMA_API_KEY":
            yield f"cannot honour {name}: swapd-llama-server reads no environment; unset it and use the flag"


def defects(settings: Settings) -> Iterator[str]:
    """What can be told before the engine is imported: files that are no models, addresses that are taken."""
    if not settings.get(MODEL):
        yield "cannot start: no model named (-m FILE)"
    for what, file in _files(settings):
        if why := _file_defect(Path(file)):
            yield f"cannot load {what} {file}: {why}"
    if not settings.get("reuse_port"):
        yield from _taken(cast("list[str]", settings[HOSTS]), cast(int, settings[PORT]))


def _files(settings: Settings) -> Iterator[tuple[str, str]]:
    for what, field in (("model", MODEL), ("draft model", DRAFT), ("projector", MMPROJ)):
        if file := settings.get(field):
            yield what, str(file)
    for file in cast("list[str]", settings.get(LORA_FILES, [])):
        yield "adapter", file


def _file_defect(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as trouble:
        return (trouble.strerror or str(trouble)).lower()
    if not magic:
        return "the file is empty"
    return None if magic == b"GGUF" else "not a GGUF file"


def _taken(hosts: Sequence[str], port: int) -> Iterator[str]:
    for host in hosts:
        if host.endswith(".sock"):
            continue
        try:
            for family, kind, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                with socket.socket(family, kind) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
        except OSError as trouble:
            yield f"cannot listen on {host}:{port}: {(trouble.strerror or str(trouble)).lower()}"


def serve(settings: Settings) -> NoReturn:
    """Load the model and serve until SIGTERM or SIGINT ends the process. Raises CannotStart."""
    try:
        xllamacpp = importlib.import_module("xllamacpp")
    except ImportError as trouble:
        raise CannotStart(f"cannot start: {trouble}; pip install 'swapd[engine]' brings xllamacpp") from None
    params = parameters(settings, xllamacpp)
    try:
        server = xllamacpp.Server(params)  # while this loads, both signals kill as they do by default
    except RuntimeError:
        reason = "llama.cpp gave up, its lines above say why (a file cut short, a lack of memory)"
        raise CannotStart(f"cannot load model {settings[MODEL]}: {reason}") from None
    _stay(server)


def _stay(server: Any) -> NoReturn:
    """Hold the server, which works in threads of its own, until a signal."""
    for stop in STOPS:
        # Unwinding it would wait for the clients of every request in flight, and there is nothing to save.
        signal.signal(stop, lambda *_: os._exit(0))
    while True:
        threading.Event().wait()


def parameters(settings: Settings, xllamacpp: Any) -> Any:
    """A ``CommonParams`` with the settings on it. Raises CannotStart for a device or a number it cannot take."""
    params = xllamacpp.CommonParams()
    placed = _placed(cast("list[str]", settings.get(DEVICES, [])), xllamacpp)
    for field, value in {**settings, **placed}.items():
        if field in (DEVICES, LORA_FILES):
            continue
        *parts, name = field.split(".")
        owner = reduce(getattr, parts, params)
        try:
            setattr(owner, name, value(xllamacpp, getattr(owner, name)) if callable(value) else value)
        except OverflowError:
            raise CannotStart(f"cannot set {field} to {value}: out of range") from None
    _claim_sampling(settings, params, xllamacpp)
    return params


def _placed(devices: Sequence[str], xllamacpp: Any) -> Settings:
    """What ``--device`` comes to: none, or all the GPUs there are. xllamacpp cannot choose among several."""
    if not devices:
        return {}
    if devices == ["none"]:
        return GIVE_NONE
    cpu = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_CPU
    present = [device["name"] for device in xllamacpp.get_device_info() if device["type"] != cpu]
    if set(devices) == set(present):
        return {}
    if lacking := [device for device in devices if device not in present]:
        reason = f"this build of xllamacpp has {', '.join(present) or 'no GPU'}"
        raise CannotStart(
            f"cannot use device {', '.join(lacking)}: {reason}; leave --device out or use --device none"
        )
    remedy = "set CUDA_VISIBLE_DEVICES, or install a llama-server"
    reason = f"xllamacpp cannot choose among {', '.join(present)}; {remedy}"
    raise CannotStart(f"cannot use only device {', '.join(devices)}: {reason}")


def _claim_sampling(settings: Settings, params: Any, xllamacpp: Any) -> None:
    """Mark what was asked for, else the model's own recommendation would overrule it."""
    known = xllamacpp.common_params_sampling_config
    for field in settings:
        owner, _, name = field.partition(".")
        bit = getattr(known, f"COMMON_PARAMS_SAMPLING_CONFIG_{name.upper()}", None)
        if owner == "sampling" and bit is not None:
            params.sampling.user_sampling_config |= bit.value


def _complain(*complaints: str) -> int:
    sys.stderr.writelines(f"error: {complaint}\n" for complaint in complaints)
    return 1


if __name__ == "__main__":
    main()
