"""The engine room with all that is in it, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swapd.core.events import Event
from swapd.engines import cgroup, logfiles
from swapd.engines.ground import Front, Ground, Nobody, Watchdog
from swapd.engines.house import House
from swapd.engines.output import Outputs
from swapd.engines.places import Places
from swapd.engines.ports import Ports
from swapd.engines.sockets import Sockets
from swapd.engines.supervisor import Supervisor
from swapd.engines.workshop import Workshop


def furnished(
    post: Callable[[Event], None],
    *,
    find_binary: Callable[[], str | None],
    environ: Mapping[str, str],
    house: House | None = None,
    adoption: float | None = None,
    ports: Ports | None = None,
    front: Front | None = None,
    watched: tuple[int, int] | None = None,
) -> Supervisor:
    """``house``: whose engines outlive us, for ``adoption`` seconds; without one none does. Blocks for a ms.

    ``watched``: the pid and our end of the pipe of a watchdog that this very process began in an earlier life.
    """
    held = house or House(None, None)
    folder = held.folder and held.folder / logfiles.FOLDER
    ground = Ground(environ, held, Outputs(folder), cgroup.delegated(), front or Nobody())
    places = Places(ports or Ports(), Sockets(environ))
    watchdog = Watchdog(house, environ, adoption)
    if watched is not None:
        watchdog.go_on(*watched)
    return Supervisor(post, Workshop(ground, places, watchdog, find_binary, post))
