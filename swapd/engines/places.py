"""Where engines listen: a port of their own each, or a Unix socket where the launch says ``${socket}``."""

from __future__ import annotations

from swapd.core.engine import Endpoint
from swapd.core.spec import Launch
from swapd.engines.ports import Ports
from swapd.engines.sockets import Sockets

SOCKET = "${socket}"


class Places:
    """Hands out both."""

    def __init__(self, ports: Ports, sockets: Sockets) -> None:
        self._ports = ports
        self._sockets = sockets

    def take(self, launch: Launch) -> dict[str, str]:
        """The value of ``port``, or of ``socket``. Raises NoPort, NoSocket."""
        words = (*launch.argv, *(value for _, value in launch.env))
        if any(SOCKET in word for word in words):
            return {"socket": self._sockets.take()}
        return {"port": str(self._ports.take())}

    def claim(self, *found: Endpoint) -> None:
        """Engines that outlived the daemon before us listen there: all of them, before the first is taken."""
        for where in found:
            if not where.path:
                self._ports.claim(where.port)
        self._sockets.claim([where.path for where in found if where.path])

    def give_back(self, where: Endpoint) -> None:
        """The engine is gone."""
        if where.path:
            self._sockets.give_back(where.path)
        else:
            self._ports.give_back(where.port)

    def close(self) -> None:
        """Every engine is gone."""
        self._sockets.close()
