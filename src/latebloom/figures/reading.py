"""What figures read of a run: its log by step, its arrays, its phases and events; and why something is not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from latebloom.analysis import Event, event_from_json, find_events, phases
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.errors import LatebloomError
from latebloom.figures.spec import STEPS, Axis, Feet, Figure, Line, Mark, Panel, Scale, Span
from latebloom.measures import MEASURES, RECORDS
from latebloom.measures.cyclic import missing_cyclic
from latebloom.views.changes import changes
from latebloom.views.embed import marks, spans
from latebloom.views.findings import task_title, two_kinds
from latebloom.views.report import one_run
from latebloom.views.thinning import rows_to_keep

if TYPE_CHECKING:
    import polars as pl
    import xarray

    from latebloom.measures.probe import Probe
    from latebloom.store import Run

MOST_POINTS = 1500
"""Of one curve: more than its pixels; each stretch's least and greatest values stay."""
FEW = 60
"""Takings below which each is shown as a dot."""
JOINED = 4
"""Takings that a line is drawn through: one through fewer would show a course that nobody measured."""

APART = f"Points that no line joins: measures that were taken fewer than {JOINED} times."

CHANGED = "Bars at the foot: between these steps the key parts changed, and curves that are taken of them may jump."


class NoFigureError(LatebloomError):
    """A figure needs what a run does not hold."""


@dataclass(frozen=True)
class Log:
    """A run's log, opened for drawing."""

    run: Run

    @cached_property
    def _numbers(self) -> tuple[pl.DataFrame, xarray.Dataset]:
        scalars, arrays, _ = one_run(self.run.scalars, self.run.arrays)
        return scalars, arrays

    @property
    def scalars(self) -> pl.DataFrame:
        """The rows of the first run, by step."""
        return self._numbers[0]

    @cached_property
    def events(self) -> list[Event]:
        """By today's rules; those stored where nothing was logged."""
        if "step" in self.scalars.columns:
            return find_events(self.scalars)
        return [event_from_json(event) for event in self.run.events]

    @property
    def last(self) -> int:
        """The last step logged."""
        return int(self.scalars["step"][-1]) if self.scalars.height else 0

    @property
    def spans(self) -> tuple[Span, ...]:
        """The phases, to shade."""
        return tuple(Span(**span) for span in spans(phases(self.events, self.last)))

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The events that have a mark of their own."""
        found = marks(self.events)
        ends = [m["interval"] or (m["step"], m["step"]) for m in found]
        return tuple(Mark(m["title"], m["step"], *end) for m, end in zip(found, ends, strict=True))

    @property
    def title(self) -> str:
        """The task and the run's name."""
        return f"{task_title(self.run.spec, self.run.summary)} · {self.run.id}"

    def has(self, name: str) -> bool:
        """Whether a scalar or an array has a number somewhere."""
        scalars, arrays = self._numbers
        if name in scalars.columns:
            return bool(scalars[name].is_not_null().any())
        return name in arrays.data_vars

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of a scalar where it was taken, thinned out; gaps are what is not finite."""
        rows = self.scalars.select("step", name).drop_nulls()
        x, y = rows["step"].to_numpy(), rows[name].cast(float).to_numpy()
        kept = rows_to_keep(x, [y], most=MOST_POINTS)
        return x[kept].astype(float), np.where(np.isfinite(y[kept]), y[kept], np.nan)

    def array(self, name: str) -> xarray.DataArray:
        """An array at the steps at which it was taken, `step` first."""
        found = self._numbers[1][name]
        taken = np.isfinite(found.values).reshape(len(found), -1).any(axis=1)
        return found[taken]

    def changes(self, name: str) -> tuple[Feet, ...]:
        """Where the set that an array of masks names (`key_frequencies`) was not the same at two takings in a row."""
        found = changes(self.array(name)) if self.has(name) else []
        ends = np.array([[change.start, change.end] for change in found], dtype=float)
        return (Feet(ends[:, 0], ends[:, 1]),) if found else ()

    def lacking(self, figure: str, names: Iterable[str]) -> NoFigureError:
        """Why none of these measures can be drawn, and the command that would change it."""
        wanted = list(names)
        measure = next((m for m in MEASURES for r in m.records if r.name in wanted), None)
        what = f"{figure} needs {' or '.join(wanted)}, which {self.run.id} has not logged"
        if measure is None:
            return NoFigureError(what)
        why = (self.run.summary.get("missing") or {}).get(measure.name)
        if why:
            return NoFigureError(f"{what}: {why}")
        least = "default" if measure.level == "light" else measure.level
        return NoFigureError(f"{what}: `latebloom run {self._spec} --measures {least}` trains it with them")

    def asked(self, figure: str, *names: str) -> list[str]:
        """Those of some measures that were logged.

        Raises:
            NoFigureError: none was.
        """
        found = [name for name in names if self.has(name)]
        if not found:
            raise self.lacking(figure, names)
        return found

    @property
    def _spec(self) -> str:
        return str(self.run.folder / "spec.toml")

    def checkpoints(self, figure: str, least: int = 1) -> list[int]:
        """The steps of the run's checkpoints.

        Raises:
            NoFigureError: there are too few.
        """
        steps = self.run.checkpoints
        if len(steps) < least:
            total = self.run.spec.get("steps")
            every = max(1, total // 40) if isinstance(total, int) else 100
            raise NoFigureError(
                f"{figure} needs {least} checkpoint{'s' if least > 1 else ''} or more, and {self.run.id} has "
                f"{len(steps)}: `latebloom run {self._spec} --checkpoints.every {every}` trains it with them"
            )
        return steps


def network(figure: str, run: Run, at: int | None, cyclic: bool = False) -> tuple[int, Probe]:
    """The step, and the network of a run's checkpoint.

    Args:
        figure: its name, for messages.
        run: the run.
        at: the step; None is the newest.
        cyclic: whether the task must have a cyclic group.

    Raises:
        NoFigureError: there is no checkpoint, or no such group.
        LatebloomError: the run cannot be rebuilt, or has no checkpoint of that step.
    """
    Log(run).checkpoints(figure)
    step, probe = probe_of(run, at)
    why = missing_cyclic(probe.subject) if cyclic else ""
    if why:
        raise NoFigureError(f"{figure} cannot be drawn of {run.id}: {probe.subject.task.title}: {why}")
    return step, probe


def over_steps(
    name: str,
    title: str,
    log: Log,
    panels: Sequence[Panel | None],
    asked: Iterable[tuple[str, ...]],
    note: str = "",
    columns: int = 2,
) -> Figure:
    """A figure over training, with phases and events.

    Args:
        name: the figure's.
        title: its heading; the run's is added.
        log: of the run.
        panels: those that there is nothing for are None.
        asked: measures, each the first of a tuple, of which one must have been logged.
        note: what must be known to read it.
        columns: panels beside each other.

    Raises:
        NoFigureError: none of them was.
    """
    log.asked(name, *(measure for measure, *_ in asked))
    kept = tuple(panel for panel in panels if panel is not None)
    parts = [part for panel in kept for part in panel.parts]
    feet = CHANGED if any(isinstance(part, Feet) for part in parts) else ""
    apart = APART if any(isinstance(part, Line) and len(part.x) < JOINED for part in parts) else ""
    told = " ".join(part for part in (note, apart, feet, two_kinds(log.events)) if part)
    return Figure(name, f"{title} · {log.title}", kept, told, columns, log.spans, log.marks)


def curve(steps: np.ndarray, values: np.ndarray, label: str, ink: str | float) -> Line:
    """A line over training; a dot at each taking where there are few, and nothing between them where very few."""
    if len(steps) < JOINED:
        return Line(steps, values, label, ink, marker="circle", joined=False)
    return Line(steps, values, label, ink, marker="dot" if len(steps) < FEW else "")


def steps_axis(scale: Scale = "linear") -> Axis:
    """The horizontal axis of everything that is drawn over training."""
    return Axis(STEPS, scale=scale)


def unit_of(name: str) -> str:
    """A measure's unit as axes have it; "" for a pure number."""
    unit = RECORDS[name].units if name in RECORDS else ""
    return "" if unit == "1" else unit
