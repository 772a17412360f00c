"""Figures of several runs: curves beside each other, and of studies survival curves, scaling and phase diagrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from latebloom.analysis.diagram import phase_diagram
from latebloom.analysis.finders.accuracy import RULES
from latebloom.analysis.forked import compare as compare_fork
from latebloom.analysis.forked import twin_of
from latebloom.analysis.outcomes import axes_of, axis_named, outcomes
from latebloom.analysis.statistics import Times, by_axis, times_of
from latebloom.figures.endings import map_of, scaling_of, survival_of
from latebloom.figures.reading import Log, NoFigureError, curve, steps_axis, unit_of
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Figure, Line, Mark, Panel, Scale
from latebloom.measures import RECORDS
from latebloom.views.figures import title_of

if TYPE_CHECKING:
    from latebloom.store import Run, Study

Event = Literal["memorised", "grokked"]
MOST_RUNS = 12
RANGES = {"share": (-0.03, 1.03)}


@figure(needs="runs that have logged the measure", of="runs")
def compare(*runs: Run, measure: str = "", scale: Scale = "linear") -> Figure:
    """Runs beside each other: test accuracy and loss, or any measure, with the step at which each grokked."""
    if len(runs) > MOST_RUNS:
        raise NoFigureError(f"compare shows up to {MOST_RUNS} runs, got {len(runs)}: name fewer")
    logs = [Log(run) for run in runs]
    names = [measure] if measure else ["test_accuracy", "test_loss"]
    labels = _differences([run.spec for run in runs], [run.id for run in runs])
    panels = []
    for name in names:
        there = [(i, log) for i, log in enumerate(logs) if log.has(name)]
        if not there:
            raise logs[0].lacking("compare", [name])
        parts: list[Line] = []
        for i, log in there:
            ink = i / max(len(logs) - 1, 1)
            steps, values = log.curve(name)
            parts.append(curve(steps, values, labels[i], ink))
            parts += _grokked(log, steps, values, ink)
        unit = unit_of(name)
        y = Axis(title_of(name), unit, "log" if name.endswith("_loss") else "linear", RANGES.get(unit))
        panels.append(Panel(title_of(name), steps_axis(scale), y, tuple(parts)))
    note = f"A diamond: where the run grokked ({RULES['grokked']}). " + (
        "" if len(panels) > 1 else _definition(names[0])
    )
    return Figure("compare", f"{len(runs)} runs · {logs[0].title.partition(' · ')[0]}", tuple(panels), note)


def _definition(name: str) -> str:
    return f"{RECORDS[name].title}: {RECORDS[name].formula}." if name in RECORDS else ""


def _grokked(log: Log, steps: np.ndarray, values: np.ndarray, ink: float) -> list[Line]:
    found = next((event.found.step for event in log.events if event.name == "grokked"), None)
    if found is None:
        return []
    return [Line(np.array([float(found)]), np.interp([found], steps, values), ink=ink, marker="diamond", joined=False)]


def _differences(specs: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> list[str]:
    """What tells each run from the others, by the fields of the specs; its name where nothing does."""
    flat = [dict(_fields(spec)) for spec in specs]
    names = [n for n in dict.fromkeys(n for one in flat for n in one) if len({str(one.get(n)) for one in flat}) > 1]
    if {"seeds.split", "seeds.init", "seeds.order"} <= set(names):
        names = [n for n in names if n not in ("seeds.init", "seeds.order")]
    told = [", ".join(f"{n.rpartition('.')[2]} {one.get(n)}" for n in names[:3]) for one in flat]
    told = [words.replace("split ", "seed ") if "seeds.split" in names else words for words in told]
    return told if len(set(told)) == len(told) and all(told) else list(ids)


def _fields(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in table.items():
        if name in ("log", "checkpoints", "sources"):
            continue
        found += _fields(value, f"{before}{name}.") if isinstance(value, Mapping) else [(before + name, value)]
    return found


@figure(needs="a study with runs that have ended", of="study")
def survival(study: Study | pl.DataFrame, *, by: str = "", event: Event = "grokked") -> Figure:
    """Survival curves: the share of runs that have not yet grokked, by the values of an axis, with 95 % bands."""
    frame = _frame(study)
    axis = _axis("survival", frame, by)
    groups = [(f"{_short(axis)} = {value}", times) for value, times in _groups(frame, axis, event)]
    return survival_of(groups, event, f"When runs are {event}", f"By {axis}")


@figure(needs="a study over an axis of numbers, with runs that have ended", of="study")
def scaling(study: Study | pl.DataFrame, *, by: str = "", event: Event = "grokked") -> Figure:
    """Time to grok against an axis of numbers, every run a point, with the power law fitted to them."""
    frame = _frame(study)
    axis = _axis("scaling", frame, by)
    found = by_axis(frame, axis, event, tuple(axes_of(frame)))
    if not found.fits:
        raise NoFigureError(f"scaling needs an axis of numbers, and {axis} is none: choose another with --by")
    kept = frame.filter(frame[axis] > 0)
    return scaling_of(
        kept[axis].to_numpy(), times_of(kept, event), found.fits[0], axis, event, f"Time until runs are {event}"
    )


@figure(needs="a study over two axes, with runs that have ended", of="study")
def phase_map(
    study: Study | pl.DataFrame, *, x: str = "", y: str = "", show: Literal["state", "grokked", "delay"] = "state"
) -> Figure:
    """Phase diagram over two axes: what runs ended as, or the median step of grokking, or the delay."""
    frame = _frame(study)
    if not x or not y:
        free = [name for name in axes_of(frame) if frame[name].n_unique() > 1]
        if len(free) != 2:
            raise NoFigureError(f"phase-map needs two axes, choose them with --x and --y among {', '.join(free)}")
        x = x or next(name for name in free if name != y)
        y = y or next(name for name in free if name != x)
    return map_of(phase_diagram(frame, x, y), show, "" if isinstance(study, pl.DataFrame) else study.plan.name)


def _frame(study: Study | pl.DataFrame) -> pl.DataFrame:
    return study if isinstance(study, pl.DataFrame) else outcomes(study)


def _axis(name: str, frame: pl.DataFrame, by: str) -> str:
    if by:
        return axis_named(frame, by)
    free = [axis for axis in axes_of(frame) if frame[axis].n_unique() > 1]
    if len(free) != 1:
        raise NoFigureError(f"{name} shows one axis: choose it with --by among {', '.join(free) or 'none that varies'}")
    return free[0]


def _groups(frame: pl.DataFrame, axis: str, event: str) -> list[tuple[Any, Times]]:
    return [(v, times_of(frame.filter(frame[axis] == v), event)) for v in frame[axis].unique().sort().to_list()]


def _short(axis: str) -> str:
    return axis.rpartition(".")[2]


FORKED = (
    ("test_accuracy", "Test accuracy", Axis("accuracy", "share of pairs", range=(-0.03, 1.03))),
    ("test_loss", "Test loss", Axis("loss", "nats", "log")),
    ("train_loss", "Training loss", Axis("loss", "nats", "log")),
    ("weight_norm_sq", "Sum of squared weights", Axis("Σw²")),
)


@figure(needs="a fork and its twin (`latebloom fork` names both)", of="runs")
def fork(*runs: Run, scale: Scale = "linear") -> Figure:
    """A fork beside its untouched twin: accuracy, losses and Σw², and the steps at which they part."""
    if len(runs) == 1:
        runs = (*runs, *filter(None, [twin_of(runs[0])]))
    if len(runs) != 2:
        raise NoFigureError(f"fork is of a fork and its twin, got {len(runs)} runs: name both, the fork first")
    changed, twin = runs
    if not isinstance(changed.spec.get("fork"), Mapping):
        raise NoFigureError(
            f"fork needs a fork first, and {changed.id} is none: `latebloom fork {changed.id}` makes one"
        )
    found = compare_fork(changed, twin)
    logs = Log(changed), Log(twin)
    panels = []
    for name, title, y in FORKED:
        there = [(log, word, ink) for log, word, ink in zip(logs, ("fork", "twin"), ("test", "train"), strict=True)
                 if log.has(name)]  # fmt: skip
        lines = tuple(Line(*_until(found.last, *log.curve(name)), word, ink) for log, word, ink in there)
        if lines:
            panels.append(Panel(title, steps_axis(scale), y, lines))
    parted = {parting.measure: parting.step for parting in found.parted}
    said = [f"{title_of(name)} step {step}" for name, step in parted.items() if step is not None]
    note = (
        f"Fork and twin part by: {', '.join(said) or 'nothing that was logged'}. Twin: {found.relation or found.twin}."
    )
    mark = Mark(f"Fork: {found.change or 'nothing changed'}", found.step, found.step, found.step)
    title = f"Fork and twin · {logs[1].title.partition(' · ')[0]} · {changed.id}"
    return Figure("fork", title, tuple(panels), note, marks=(mark,))


def _until(last: int, steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A curve up to a step: a parent that is the twin may go on for long after the fork's end."""
    return steps[steps <= last], values[steps <= last]
