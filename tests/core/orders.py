"""Two questions on orders, for the laws."""

from __future__ import annotations

from swapd.core import commands as order
from swapd.core import events as fact
from swapd.core.commands import Cause
from swapd.core.refusal import Reason


def evicted_for(command: order.Command) -> str | None:
    """The model that this order makes room for."""
    if isinstance(command, order.Terminate | order.Note) and command.why.cause is Cause.EVICTED:
        return command.why.model
    return None


def turned_away(asked: fact.Asked, orders: list[order.Command]) -> bool:
    """Whether this ticket was refused at the door, and never waited."""
    door = Reason.UNKNOWN_MODEL, Reason.NEVER_FITS, Reason.QUEUE_FULL, Reason.CLOSING
    told = [o.refusal.reason for o in orders if isinstance(o, order.Refuse) and o.ticket == asked.ticket]
    return any(reason in door for reason in told)
