"""When a run is forked: a step, or an event of it as `latebloom phases` names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latebloom.analysis import Crossing, find_events
from latebloom.errors import LatebloomError
from latebloom.spec import suggestion

if TYPE_CHECKING:
    from latebloom.store import Run


class EventMissingError(LatebloomError):
    """A run in which the event that was asked for has not been seen."""


@dataclass(frozen=True)
class Moment:
    """A step of one run.

    Attributes:
        asked: as it was asked for.
        step: the updates that lie behind it.
        event: the event's name; None where a step was asked for.
    """

    asked: str
    step: int
    event: str | None = None


def moment_of(run: Run, asked: str, seen: dict[Path, dict[str, Crossing]] | None = None, where: str = "--at") -> Moment:
    """The step of a run that `asked` means.

    Args:
        run: the run.
        asked: a step or an event's name.
        seen: the events of runs that were read before; this run's are added.
        where: what is asked for it, for messages.

    Raises:
        LatebloomError: it is neither a step nor an event that is looked for.
        EventMissingError: the event was not found in this run, with the reason.
    """
    if asked.isascii() and asked.isdecimal():
        return Moment(asked, int(asked))
    seen = {} if seen is None else seen
    if run.folder not in seen:
        seen[run.folder] = {event.name: event.found for event in find_events(run.scalars.sort("step"))}
    events = seen[run.folder]
    if asked not in events:
        raise LatebloomError(f"{where} {asked}: expected a step, or an event of {run.id}{suggestion(asked, events)}")
    found = events[asked]
    if found.step is None:
        why = found.reason or f"not seen up to step {found.censored_at}"
        raise EventMissingError(f"{where} {asked}: not found in {run.id}: {why}{_what_to_do(run)}")
    return Moment(asked, found.step, asked)


def beyond(run: Run, step: int) -> str:
    """Why a step lies behind all that a run has; empty where it does not."""
    reached = max(max(run.checkpoints, default=0), run.status.last_step or 0)
    if step <= reached:
        return ""
    return f"expected at most {reached}, the last step of {run.id}, got {step}{_what_to_do(run)}"


def _what_to_do(run: Run) -> str:
    """How a run that is not done gets further."""
    if run.state == "done":
        return ""
    if run.state == "running":
        return "; it is still training: fork it at what it has reached, or ask again later"
    return f"; it is not done: `latebloom run {run.folder}` goes on with it"
