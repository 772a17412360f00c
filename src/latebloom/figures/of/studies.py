"""Figures of several runs: curves beside each other, and of studies survival curves, scaling and phase diagrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from latebloom.analysis.diagram import Cell, phase_diagram
from latebloom.analysis.forked import compare as compare_fork
from latebloom.analysis.forked import twin_of
from latebloom.analysis.outcomes import axes_of, axis_named, outcomes
from latebloom.analysis.statistics import Times, by_axis, kaplan_meier, times_of
from latebloom.errors import LatebloomError
from latebloom.figures.reading import Log, NoFigureError, steps_axis, unit_of
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Figure, Key, Line, Mark, Panel, Scale, Text, Tile
from latebloom.measures import RECORDS
from latebloom.views.figures import title_of
from latebloom.views.study_text import MARKS, cell_text

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
            parts.append(Line(steps, values, labels[i], ink))
            parts += _grokked(log, steps, values, ink)
        unit = unit_of(name)
        y = Axis(title_of(name), unit, "log" if name.endswith("_loss") else "linear", RANGES.get(unit))
        panels.append(Panel(title_of(name), steps_axis(scale), y, tuple(parts)))
    note = "A diamond: where the run grokked. " + ("" if len(panels) > 1 else _definition(names[0]))
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
    groups = _groups(frame, axis, event)
    parts: list[Line] = []
    for i, (value, times) in enumerate(groups):
        ink = i / max(len(groups) - 1, 1)
        curve = kaplan_meier(times)
        steps, shares = np.concatenate([[1.0], curve.step]), np.concatenate([[1.0], curve.survival])
        low, high = (np.concatenate([[np.nan], end]) for end in (curve.low, curve.high))
        parts.append(Line(steps, shares, f"{_short(axis)} = {value}", ink, steps=True, low=low, high=high))
        gone = np.unique(times.low[~times.seen])
        parts.append(Line(gone, curve.at(gone.tolist()), ink=ink, marker="cross", joined=False))
    first = min(float(times.known[times.known > 0].min()) for _, times in groups if (times.known > 0).any())
    last = max(float(times.known.max()) for _, times in groups)
    x = Axis("steps", scale="log", range=(first / 1.5, last * 1.1))
    y = Axis(f"share of runs not yet {event}", range=(0.0, 1.03))
    note = f"Kaplan–Meier curves of {sum(len(t) for _, t in groups)} runs; bands are 95 %, pointwise; + is where runs "
    note += "ended without the event (censored)."
    return Figure("survival", f"When runs are {event}", (Panel(f"By {axis}", x, y, tuple(parts)),), note, columns=1,
                  height=3.2)  # fmt: skip


@figure(needs="a study over an axis of numbers, with runs that have ended", of="study")
def scaling(study: Study | pl.DataFrame, *, by: str = "", event: Event = "grokked") -> Figure:
    """Time to grok against an axis of numbers, every run a point, with the power law fitted to them."""
    frame = _frame(study)
    axis = _axis("scaling", frame, by)
    found = by_axis(frame, axis, event, tuple(axes_of(frame)))
    if not found.fits:
        raise NoFigureError(f"scaling needs an axis of numbers, and {axis} is none: choose another with --by")
    fit = found.fits[0]
    known = [(float(value), times) for value, times in _groups(frame, axis, event) if float(value) > 0]
    x = np.concatenate([np.full(len(times), value) for value, times in known])
    seen = np.concatenate([times.seen for _, times in known])
    steps = np.concatenate([times.known for _, times in known])
    parts = [
        Line(x[seen], steps[seen], "a run", "three", marker="circle", joined=False),
        Line(x[~seen], steps[~seen], "ended before (censored)", "test", marker="triangle-up", joined=False),
    ]
    parts = [part for part in parts if len(part.x)]
    if fit.middle is not None:
        b = fit.exponents[axis]
        ends = "" if b.low is None or b.high is None else f" [{b.low:.2f}, {b.high:.2f}]"
        grid = np.geomspace(x.min(), x.max(), 40)
        parts.append(Line(grid, fit.predict({axis: grid}), f"T ∝ x^{b.value:.2f}{ends}, {fit.law}", "ink"))
    y = Axis(f"step at which a run is {event}", scale="log")
    note = f"Censored runs count in the fit as later than their last step. {fit.reason}".strip()
    panel = Panel(f"By {axis}", Axis(axis, scale="log"), y, tuple(parts))
    return Figure("scaling", f"Time until runs are {event}", (panel,), note, columns=1, height=3.2)


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
    found = phase_diagram(frame, x, y)
    inks = _state_inks if show == "state" else _step_inks(found.cells, show)
    parts: list[Tile | Text] = []
    for cell in found.cells:
        column, row = found.xs.index(cell.x), found.ys.index(cell.y)
        left = column - 0.5
        for share, ink in inks(cell):
            parts.append(Tile(left, row - 0.5, share, ink))
            left += share
        parts.append(Text(column, row, cell_text(cell, show).replace(" ", "\n"), "tile"))
    heads = {
        "state": "numbers are seeds",
        "grokked": "median step of grokking; seen in / runs where some are censored",
        "delay": "median steps from memorising to grokking; seen in / runs that memorised",
    }
    axes = [
        Axis(name, range=(-0.5, len(values) - 0.5), ticks=tuple((float(i), _label(v)) for i, v in enumerate(values)))
        for name, values in ((found.x, found.xs), (found.y, found.ys))
    ]
    states = found.states if show == "state" else ()
    keys = tuple(Key(f"state-{state}", f"{MARKS[state]}  {state}") for state in states)
    title = (
        f"End states within {found.budget:,} steps" if show == "state" else heads[show].partition(";")[0].capitalize()
    )
    panel = Panel(title, axes[0], axes[1], tuple(parts), square=True)
    note = heads[show].capitalize() + "." + (f" Pooled over {', '.join(found.pooled)}." if found.pooled else "")
    height = min(6.0, max(2.4, 0.62 * len(found.ys) + 0.6))
    return Figure("phase-map", "Phase diagram", (panel,), note, columns=1, keys=keys, height=height)


def _state_inks(cell: Cell) -> list[tuple[float, str | float]]:
    return [(number / cell.runs, f"state-{state}") for state, number in cell.states.items()]


def _step_inks(cells: Sequence[Cell], show: str) -> Any:
    """A function from a cell to its place between the earliest and the latest median, on a logarithmic scale."""
    medians = {(c.x, c.y): (c.grokked if show == "grokked" else c.delay).step for c in cells}
    known = [m for m in medians.values() if m is not None and m > 0]
    low, high = np.log(min(known, default=1.0)), np.log(max(known, default=1.0))

    def inks(cell: Cell) -> list[tuple[float, str | float]]:
        m = medians[cell.x, cell.y]
        if m is None or m <= 0:
            return [(1.0, "state-unclear")]
        return [(1.0, float((np.log(m) - low) / max(high - low, 1e-9)))]

    return inks


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
    groups = [(v, times_of(frame.filter(frame[axis] == v), event)) for v in frame[axis].unique().sort().to_list()]
    groups = [(value, times) for value, times in groups if len(times)]
    if not groups:
        raise LatebloomError(f"expected runs that tell when they are {event}, got none")
    return groups


def _short(axis: str) -> str:
    return axis.rpartition(".")[2]


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


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
        lines = tuple(Line(*log.curve(name), word, ink) for log, word, ink in there)
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
