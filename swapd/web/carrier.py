"""A wire for a request whose body is too large to be held: it goes out as fast as the engine takes it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from swapd.core.spec import Timeouts
from swapd.web.flow import Sending, Upload
from swapd.web.heads import Status
from swapd.web.wire import Silent, Wire


class Carrier(Wire):
    """One that sends in pieces. Once all of them are out it is a wire like any other."""

    _sending: Sending | None = None

    @property
    def spent(self) -> bool:
        """Whether nothing more can be asked; so it is after an answer that came too soon."""
        return self._sending is not None or super().spent

    def waits_since(self) -> float | None:
        """While it sends it is the client who is waited for, or the engine's taking, which has its own bound."""
        return super().waits_since() if self._sending is None else None

    async def upload(self, request: bytes, body: Upload, bounds: Timeouts, bound: float | None) -> Status:
        """``ask`` for a request whose body is sent in pieces; ``bound`` counts from when it is out.

        Raises Lost, Silent, Malformed, and what reading the body raises; then it is closed.
        """
        self._sending = self._feeder = Sending(bounds.idle, self._wake)
        try:
            async with asyncio.timeout(bounds.total):
                head = await self._send(self._sending, request, body)
                if head is None:
                    self._sending = None
                    self._asked = self._loop.time()
                    self._alarm.set(bound)
                    head = await self._head()
                return head
        except BaseException as error:
            self.abort()
            if isinstance(error, TimeoutError):
                raise Silent(f"it took longer than {bounds.total:g} s (timeouts.total)") from None
            raise

    async def _send(self, sending: Sending, head: bytes, body: Upload) -> Status | None:
        """Send as fast as the engine takes it. One that answers before the end gets no more: its answer."""
        self.resting = False
        self._unheard = True
        self._asked = self._loop.time()
        self._transport.set_write_buffer_limits(1, 0)  # full until all of a piece is taken
        self._transport.write(head)
        async with aclosing(body.pieces()) as pieces:
            async for piece in pieces:
                if not self._transport.is_closing():
                    self._transport.write(piece)
                sending.unsent = self._transport.get_write_buffer_size()
                self._alarm.set(sending.idle)
                while (came := self._came()) is None and (sending.full or self._transport.is_closing()):
                    await self._news()
                if came is not None:
                    return came
                self._alarm.set(None)  # our own disk may take its time
        return None

    def _rings(self) -> None:
        if self._pour is None and self._sending is not None:
            self._wait_for(self._sending)
        else:
            super()._rings()

    def _wait_for(self, sending: Sending) -> None:
        """The engine took nothing for as long as it may. One that takes a little now and then is only slow."""
        before, sending.unsent = sending.unsent, self._transport.get_write_buffer_size()
        if sending.unsent < before:
            self._alarm.set(sending.idle)
        else:
            self._fail(Silent(f"it took nothing of the request for {sending.idle:g} s (timeouts.idle)"))
