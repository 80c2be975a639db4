"""What must be set between fork and exec: by a shell that then becomes the engine, under the same pid.

Python could run code of its own there (``preexec_fn``), but not safely beside threads. Nice and CPUs belong to
each thread (sched(7)), so they have to be there before the engine makes its first; and only who is in its cgroup
from the beginning has all its children in it.

A wish that the kernel refuses (a negative nice without the right to it, say) does not keep an engine from
serving: its log says so, and it starts without.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from swapd.core.spec import TOOLS, Standing

SHELL = "/bin/sh"
_OWN_SCORE = Path("/proc/self/oom_score_adj")
_SCRIPT = """\
lacks() { echo "swapd cannot $1, the engine starts without" >&2; }
[ -z "$1" ] || echo 0 > "$1" || lacks "put it into its cgroup $1"
[ -z "$2" ] || echo "$2" > /proc/self/oom_score_adj || lacks "set oom_score_adj to $2"
[ -z "$3" ] || "$4" "$3" -p $$ > /dev/null || lacks "set nice to $3"
[ -z "$5" ] || "$6" -pc "$5" $$ > /dev/null || lacks "set cpus to $5"
shift 6
exec "$@"
"""
"""All values come as arguments, so nothing in them is ever taken for a word of the script.

``renice`` without ``-n`` sets the very value, in util-linux and in BusyBox; with it, that depends.
"""


class Lacking(ValueError):
    """A program that sets what was asked for is not installed; the message says which."""


def wrapped(
    argv: tuple[str, ...],
    standing: Standing,
    cgroup_procs: Path | None,
    env: Mapping[str, str],
    cwd: str | None,
) -> tuple[tuple[str, ...], int]:
    """The command line that becomes ``argv`` once all is set, and its umask (-1: as ours); for ``Popen``.

    It is ``argv`` itself where there is nothing to set; and where nothing can be started, which ``Popen`` says
    better than a shell would. ``cgroup_procs``: the file of that name of the cgroup to start in. ``env`` and
    ``cwd``: the engine's. Raises Lacking.
    """
    umask = -1 if standing.umask is None else standing.umask
    wishes = (_score(standing), standing.nice, standing.cpus or None)
    if (cgroup_procs is None and wishes == (None, None, None)) or not _is_there(argv[0], env, cwd):
        return argv, umask
    score, nice = ("" if value is None else str(value) for value in wishes[:2])
    cpus = ",".join(map(str, standing.cpus))
    renice = _tool("nice", env) if nice else ""
    taskset = _tool("cpus", env) if cpus else ""
    told = ("" if cgroup_procs is None else str(cgroup_procs), score, nice, renice, cpus, taskset)
    return (SHELL, "-c", _SCRIPT, "sh", *told, *_kept(env), *argv), umask


def _score(standing: Standing) -> int | None:
    """What the operator says; else 0 where we are spared by the OOM killer: the memory is what engines fill."""
    if standing.oom_score_adj is not None:
        return standing.oom_score_adj
    try:
        return 0 if int(_OWN_SCORE.read_text()) < 0 else None
    except (OSError, ValueError):  # not Linux
        return None


def _is_there(program: str, env: Mapping[str, str], cwd: str | None) -> bool:
    """Whether execvpe would find it, in the folder where the engine will stand. By os.path: pathlib may raise."""
    here = cwd or "."
    folders = [""] if "/" in program else os.get_exec_path(env)
    paths = [os.path.join(here, folder, program) for folder in folders]  # noqa: PTH118
    return os.path.isdir(here) and any(os.path.isfile(p) and os.access(p, os.X_OK) for p in paths)  # noqa: PTH112, PTH113


def _tool(key: str, env: Mapping[str, str]) -> str:
    """The path of the program that sets what the key says. Raises Lacking."""
    for path in (env.get("PATH"), os.defpath):
        if (found := shutil.which(TOOLS[key], path=path)) is not None:
            return found
    raise Lacking(f"{TOOLS[key]} is not installed, which sets '{key}': install util-linux, or remove '{key}'")


def _kept(env: Mapping[str, str]) -> tuple[str, ...]:
    """Words before the command that bring back variables whose names a shell may drop, such as ``a.b``."""
    odd = [f"{name}={value}" for name, value in env.items() if not (name.isascii() and name.isidentifier())]
    return ("env", *odd) if odd else ()
