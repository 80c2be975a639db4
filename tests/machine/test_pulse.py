"""When the meters are read next."""

from __future__ import annotations

import pytest

from swapd.core.commands import Grant, Refuse
from swapd.core.engine import Endpoint, RunId
from swapd.core.events import Asked, Closing, Left, Ticket
from swapd.core.refusal import Reason, Refusal
from swapd.core.spec import Launch, Spec
from swapd.machine.pulse import IDLE, LOADING, RUNNING, WAITED_FOR, Pulse

ONE, TWO = Ticket(1), Ticket(2)
GRANT = Grant(ONE, RunId("a", 1), Endpoint("127.0.0.1", 1), Spec("a", Launch(("x",))), 0.0, 0.0)
REFUSE = Refuse(ONE, Refusal(Reason.CLOSING, "a"))


def pause(pulse, living=False, loading=False):
    return pulse.pause(0.0, living, loading)


def test_the_more_goes_on_the_shorter_the_pause():
    assert [pause(Pulse()), pause(Pulse(), True), pause(Pulse(), True, True)] == [IDLE, RUNNING, LOADING]


@pytest.mark.parametrize(("event", "commands"), [(Left(ONE), []), (Closing(), [REFUSE]), (Closing(), [GRANT])])
def test_while_somebody_waits_the_meters_are_read_every_second(event, commands):
    pulse = Pulse()
    assert pulse.hear(Asked(ONE, "a"), [])
    assert pause(pulse) == pause(pulse, living=True) == WAITED_FOR
    assert pause(pulse, living=True, loading=True) == LOADING
    assert not pulse.hear(event, commands)
    assert pause(pulse) == IDLE


@pytest.mark.parametrize("command", [GRANT, REFUSE])
def test_who_is_answered_at_once_does_not_wait(command):
    pulse = Pulse()
    assert not pulse.hear(Asked(ONE, "a"), [command])
    assert pause(pulse) == IDLE


def test_the_last_who_waits_counts():
    pulse = Pulse()
    pulse.hear(Asked(ONE, "a"), [])
    pulse.hear(Asked(TWO, "a"), [])
    pulse.hear(Left(TWO), [])
    assert pause(pulse) == WAITED_FOR
