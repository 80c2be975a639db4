"""Every fault and every chore: its name, who does it, what may be drawn for it, which feature it needs."""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.chaos import at_the_door, chores, on_daemon, on_disk, on_engines, on_the_wire, on_upgrade
from tests.fakes import misbehaving

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

Choices = Mapping[str, Sequence[Any]]
CHATS = ("alpha", "beta")
FATAL = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL, 1, 137)


@dataclass(frozen=True, slots=True)
class Fault:
    """``act`` returns what there is to say of it. ``choices``: name of an argument -> what it may be."""

    name: str
    act: Callable[..., Awaitable[str]]
    choices: Choices = field(default_factory=dict)
    needs: Sequence[str] = ()
    slow: bool = False
    """Takes many seconds: in each round these come last, so that a short run sees more of the others."""

    def draw(self, rng: random.Random, roles: Choices) -> dict[str, Any]:
        """One of each; a role may have more models than the table knows of."""
        return {name: rng.choice([*able, *roles.get(name, ())]) for name, able in self.choices.items()}

    async def happen(self, scene: Scene, particulars: Mapping[str, Any]) -> str:
        """Do it."""
        return await self.act(scene, **particulars)


def _named(*faults: Fault) -> dict[str, Fault]:
    return {fault.name: fault for fault in faults}


_ANY: Choices = {"model": CHATS}
_FAKE: Choices = {"fake": CHATS}
"""A fault that needs the fake engine's knobs is for no other model."""

FAULTS = _named(
    Fault("kill-engine-starting", on_engines.kill_starting, _FAKE),
    Fault("kill-engine-ready", on_engines.kill_ready, _ANY),
    Fault("kill-engine-streaming", on_engines.kill_streaming, _ANY),
    Fault("kill-engine-stopping", on_engines.kill_stopping),
    Fault("engine-stops-for-a-moment", on_engines.stop_and_go, {**_ANY, "seconds": (0.3, 0.8, 1.5)}),
    Fault("engine-hangs", on_engines.hang, _ANY, slow=True),
    Fault(
        "engine-never-healthy",
        on_engines.never_healthy,
        {**_FAKE, "way": ("hang_health", "never_ready")},
        slow=True,
    ),
    Fault("engine-exits-before-bind", on_engines.exit_before_bind, {**_FAKE, "code": FATAL}),
    Fault("engine-exits-after-bind", on_engines.exit_after_bind, {**_FAKE, "code": FATAL}),
    Fault("engine-exits-while-loading", on_engines.exit_while_loading, {**_FAKE, "code": FATAL}),
    Fault("engine-dies-mid-stream", on_engines.die_mid_stream, {**_FAKE, "pieces": (1, 3, 7)}),
    Fault("engine-dies-before-a-byte", on_engines.die_before_a_byte, _FAKE),
    Fault("deaf-tree", on_engines.deaf_tree),
    Fault("log-flood", on_engines.noise, {**_FAKE, "knob": ("log_flood",), "size": (5, 20)}),
    Fault("long-line", on_engines.noise, {**_FAKE, "knob": ("long_line",), "size": (200_000, 2_000_000)}),
    Fault("binary-log", on_engines.noise, {**_FAKE, "knob": ("binary_log",), "size": (1,)}),
    Fault("stolen-port", on_engines.stolen_port),
    Fault("lost-log", on_engines.noise, {**_FAKE, "knob": ("closed_log",), "size": (1,)}),
    Fault("engine-daemonizes", on_engines.daemonizes, _FAKE),
    Fault("socket-removed", on_engines.socket_removed),
    Fault("engine-misbehaves", on_the_wire.misbehaves, {**_FAKE, "manner": misbehaving.MANNERS}),
    Fault("kill-daemon", on_daemon.kill, {"when": on_daemon.MOMENTS, "model": CHATS}, ("adoption",)),
    Fault(
        "kill-daemon-bad-state",
        on_daemon.kill_with_bad_state,
        {"damage": on_daemon.DAMAGES, "model": CHATS},
        ("adoption",),
    ),
    Fault("restart-bad-state", on_daemon.restart_with_bad_state, {"damage": on_daemon.DAMAGES}),
    Fault("restart", on_daemon.restart, {**_ANY, "signals": (1, 2)}),
    Fault("restart-while-starting", on_daemon.restart_while_starting, _FAKE),
    Fault("odd-start", on_daemon.odd_start),
    Fault("state-removed", on_daemon.state_removed, _FAKE),
    Fault("re-exec", on_upgrade.re_exec, {**_ANY, "times": (1, 2)}, ("exec",)),
    Fault(
        "re-exec-bad-config",
        on_upgrade.re_exec_with_bad_config,
        {"text": tuple(chores.BROKEN)},
        ("exec",),
        slow=True,
    ),
    Fault("re-exec-killed", on_upgrade.killed_midst, _ANY, ("exec", "adoption")),
    Fault("re-exec-stopped", on_upgrade.stopped_midst, _ANY, ("exec",)),
    Fault("re-exec-pestered", on_upgrade.pestered_midst, {"times": (2, 5)}, ("exec",)),
    Fault("sighup-storm", on_daemon.sighup_storm, {"times": (20, 100)}),
    Fault("daemon-stops-for-a-moment", on_daemon.stop_and_go, {"seconds": (0.2, 0.6)}),
    Fault(
        "clock-jump",
        on_daemon.clock_jump,
        {"offset": ("+3600", "-3600", "+90000", "-86400")},
        ("faketime",),
        slow=True,
    ),
    Fault("full-disk", on_disk.full, {"fake": CHATS}, ("own disk",)),
    Fault("full-disk-restart", on_disk.full_at_start, {}, ("own disk",)),
    Fault("full-disk-crash", on_disk.full_at_crash, _FAKE, ("own disk", "adoption")),
    Fault("read-only-state", on_disk.read_only, {"fake": CHATS}, ("own disk",), slow=True),
    Fault("rst-storm", at_the_door.rst_storm, {"times": (50, 200)}),
    Fault("slow-readers", at_the_door.slow_readers, {"fake": CHATS, "readers": (2, 4)}, slow=True),
    Fault("header-dribblers", at_the_door.dribblers, {"clients": (5, 30)}, slow=True),
    Fault("vanishing-clients", at_the_door.vanish, {**_ANY, "clients": (10, 40)}),
    Fault("out-of-files", at_the_door.out_of_files, {"spare": (0, 3, 12)}),
    Fault("nonsense", on_the_wire.nonsense, {"what": tuple(on_the_wire.NONSENSE)}),
    Fault("pipelined", on_the_wire.pipelined, {**_FAKE, "requests": (3, 8)}),
    Fault("half-closed", on_the_wire.half_closed, {**_FAKE, "clients": (3, 12)}),
    Fault("stalled-bodies", on_the_wire.stalled_bodies, {**_FAKE, "clients": (3, 12)}, slow=True),
    Fault("rush", on_the_wire.rush, {**_FAKE, "clients": (20, 60)}),
    Fault("connection-flood", at_the_door.flood, {"share": (0.5, 1.5, 3.0)}),
)

CHORES = _named(
    Fault("load", chores.load, {"model": (*CHATS, "embed", "stubborn")}),
    Fault("unload", chores.unload, {"model": (*CHATS, "embed", "stubborn")}),
    Fault("unload-all", chores.unload_all),
    Fault("reload", chores.reload),
    Fault("retune", chores.retune, {"model": CHATS, "ttl": ("1s", "5m", "10m"), "concurrency": (1, 2, 4)}),
    Fault("relaunch", chores.relaunch, {"model": (*CHATS, "embed"), "save": chores.SAVES}),
    Fault("add-and-remove", chores.add_and_remove, {"save": chores.SAVES}),
    Fault("broken-config", chores.broken, {"text": tuple(chores.BROKEN)}),
    Fault("half-written", chores.half_written),
)
