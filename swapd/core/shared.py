"""One story for several ears."""

from __future__ import annotations

from collections.abc import Sequence

from swapd.core.commands import Command
from swapd.core.events import Event
from swapd.core.told import News, Story


class SharedStory(Story):
    """Tells an event to whoever hears of it first, and then the same to the others."""

    __slots__ = ("_commands", "_event", "_news")

    def __init__(self) -> None:
        super().__init__()
        self._event: Event | None = None
        self._commands: Sequence[Command] = ()
        self._news: Sequence[News] = ()

    def hear(self, event: Event, commands: Sequence[Command], now: float) -> Sequence[News]:
        """As Story has it. What is heard again is known by being the very same."""
        if event is not self._event or commands is not self._commands:
            self._event = None
            self._news = super().hear(event, commands, now)
            self._event, self._commands = event, commands
        return self._news
