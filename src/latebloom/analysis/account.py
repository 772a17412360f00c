"""All that can be said of when things happened in one run, for `latebloom phases`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from latebloom.analysis.events import Event
from latebloom.analysis.phases import Phase, delay, phases
from latebloom.analysis.plateaus import Plateau
from latebloom.analysis.second_opinion import with_second_opinions
from latebloom.analysis.slingshots import Slingshots, slingshots
from latebloom.analysis.timeline import find_events, read
from latebloom.analysis.widths import with_widths
from latebloom.errors import LatebloomError
from latebloom.store.layout import read_json

if TYPE_CHECKING:
    from latebloom.store import Run


@dataclass(frozen=True)
class Account:
    """Events with widths and second opinions, phases, and what else was found.

    Attributes:
        run: the run's name.
        state: as the run says.
        last: the last step logged.
        events: by the measures taken in training, with each step's own key frequencies.
        phases: by these events.
        final: the events of Nanda et al. by the final network's frequencies, at the checkpoints; they know the future.
            None where `latebloom analyse` has not followed the run.
        final_phases: by those.
        plateaus: levels of test accuracy after memorising.
        slingshots: spikes of the training loss, and whether the last layer's norm grew before them.
        delay: between memorising and generalising.
        notes: what could not be said, and why.
    """

    run: str
    state: str
    last: int
    events: list[Event]
    phases: list[Phase]
    final: list[Event] | None
    final_phases: list[Phase]
    plateaus: list[Plateau]
    slingshots: Slingshots | None
    delay: dict[str, Any]
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return asdict(self)


def account(run: Run) -> Account:
    """What happened in a run, under way or finished.

    Raises:
        LatebloomError: it cannot be read, or nothing was logged.
    """
    scalars = run.scalars
    if "step" not in scalars.columns or not scalars.height:
        raise LatebloomError(f"{run.folder}: expected a log, got none: nothing was logged yet, or it is an import")
    scalars = scalars.sort("step")
    timeline, last = read(scalars), int(scalars["step"][-1])
    events, notes = _seen_by_others(timeline.events, scalars)
    final = None
    if (curves := _over_training(run)) is not None:
        found = [event for event in find_events(curves, "final") if event.group == "nanda2023"]
        final, _ = _seen_by_others(found, curves)
    elif any(event.group == "nanda2023" for event in events):
        notes.append("with the final network's frequencies: `latebloom analyse` of this run, and then this again")
    return Account(
        run.id,
        run.state,
        last,
        events,
        phases(timeline.events, last),
        final,
        phases(final, last) if final else [],
        timeline.plateaus,
        slingshots(run) if "train_loss" in scalars.columns else None,
        delay(timeline.events),
        notes,
    )


def _seen_by_others(events: list[Event], curves: pl.DataFrame) -> tuple[list[Event], list[str]]:
    events = with_widths(events, curves)
    try:
        return with_second_opinions(events, curves), []
    except LatebloomError as error:
        return events, [f"no second opinion: {error}"]


def _over_training(run: Run) -> pl.DataFrame | None:
    """The curves that `latebloom analyse` has stored; None where there are none, or they are not as we write them."""
    try:
        stored = read_json(run.folder / "circuit" / "over-training.json", dict)
        return pl.DataFrame(stored["curves"], strict=False).sort("step")
    except (LatebloomError, OSError, KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
        return None
