"""What the bench is made with: our own C programs, compiled on the fly, and nginx from where it can be had."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

SOURCES = Path(__file__).parent / "c"
PROGRAMS = {"upstream": ("upstream.c", "streams.c"), "driver": ("driver.c", "answer.c")}


class Missing(Exception):
    """A tool that the bench needs is not here; says what to do next."""


def cache() -> Path:
    """The folder for what need not be made twice."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "swapd-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def compiler() -> str | None:
    """The C compiler, if there is one."""
    return next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)


def program(name: str) -> Path:
    """The compiled program of PROGRAMS; compiled anew if a source has changed. Raises Missing."""
    sources = b"".join(path.read_bytes() for path in sorted(SOURCES.iterdir()))
    path = cache() / f"{name}-{hashlib.sha256(sources).hexdigest()[:12]}"
    if path.exists():
        return path
    cc = compiler()
    if cc is None:
        raise Missing("cannot compile the upstream and the driver: there is no C compiler; install gcc")
    fresh = path.with_suffix(f".{os.getpid()}")
    parts = [str(SOURCES / part) for part in PROGRAMS[name]]
    done = subprocess.run([cc, "-O2", "-o", str(fresh), *parts], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"cannot compile {name}: {done.stderr}")
    fresh.replace(path)
    return path


def nginx() -> Path:
    """The nginx to compare with: the one installed, else Debian's package unpacked. Raises Missing."""
    if found := shutil.which("nginx"):
        return Path(found)
    folder = cache() / "nginx"
    path = folder / "usr" / "sbin" / "nginx"
    if not path.exists():
        _unpack_nginx(folder)
    done = subprocess.run([path, "-v"], check=False, capture_output=True, text=True)
    if done.returncode:
        raise Missing(
            f"cannot run the nginx in {folder}: {done.stderr.strip()}; install nginx, or use --without-nginx"
        )
    return path


def _unpack_nginx(folder: Path) -> None:
    folder.mkdir(exist_ok=True)

    def do(*command: str | Path) -> None:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)

    try:
        do("apt-get", "-q", "download", "nginx")
        for package in folder.glob("nginx_*.deb"):
            do("dpkg", "-x", package, folder)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"cannot get nginx: {error}; install it, or use --without-nginx") from None


def machine() -> dict[str, str]:
    """What the figures are figures of."""
    return {
        "cpu": f"{os.cpu_count()} x {_cpu_model()}",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "uvloop": _version("uvloop"),
        "aiohttp": _version("aiohttp"),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
