"""Why a ticket is turned away, as data; the wording is made here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Reason(Enum):
    """The named reasons. ``web.errors`` maps each to a status and a code; a test checks none is missing."""

    UNKNOWN_MODEL = auto()
    NEVER_FITS = auto()
    QUEUE_FULL = auto()
    QUEUE_TIMEOUT = auto()
    START_FAILED = auto()
    START_TIMEOUT = auto()
    ENGINE_DIED = auto()
    UNAVAILABLE = auto()
    MODEL_REMOVED = auto()
    MODEL_UNLOADED = auto()
    CLOSING = auto()


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended: exit code or signal name, or what kept it from starting; the last lines it wrote."""

    code: int | None = None
    signal: str | None = None
    reason: str | None = None
    log: tuple[str, ...] = ()
    hint: str | None = None

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        if self.signal:
            return f"killed by {self.signal}"
        return f"exited with code {self.code}" if self.code is not None else "ended for an unknown reason"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason with its particulars. ``retry_after`` in seconds, None where a retry cannot help."""

    reason: Reason
    model: str
    exit: Exit | None = None
    retry_after: float | None = None
    detail: str = ""

    def __str__(self) -> str:
        text = _TEXT[self.reason].format(model=self.model, detail=self.detail)
        parts = [text if self.exit is None else f"{text}: {self.exit}"]
        if self.exit is not None and self.exit.hint:
            parts.append(f"Hint: {self.exit.hint}")
        if self.exit is not None and self.exit.log:
            parts.append("Last lines of the engine:\n" + "\n".join(self.exit.log))
        return "\n".join(parts)


class Refused(Exception):
    """The ticket was turned away; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


_TEXT = {
    Reason.UNKNOWN_MODEL: "cannot find model '{model}'{detail}",
    Reason.NEVER_FITS: "cannot load model '{model}': {detail}",
    Reason.QUEUE_FULL: "cannot queue a request for model '{model}': {detail}; try again in a moment",
    Reason.QUEUE_TIMEOUT: "cannot serve model '{model}': waited {detail} for its turn (scheduling.wait)",
    Reason.START_FAILED: "cannot start the engine of model '{model}'",
    Reason.START_TIMEOUT: "cannot start the engine of model '{model}': not ready after {detail} (start_timeout)",
    Reason.ENGINE_DIED: "cannot finish the request: the engine of model '{model}' {detail}",
    Reason.UNAVAILABLE: "cannot serve model '{model}' now: {detail}",
    Reason.MODEL_REMOVED: "cannot serve model '{model}': it was removed from the config",
    Reason.MODEL_UNLOADED: "cannot serve model '{model}': it was unloaded by the operator; ask again to load it",
    Reason.CLOSING: "cannot serve model '{model}': swapd is shutting down{detail}",
}
