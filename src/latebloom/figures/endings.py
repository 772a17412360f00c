"""What many runs ended as, and when: survival curves, scaling with a fit, phase diagrams, of times that are at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.statistics import Times, kaplan_meier
from latebloom.errors import LatebloomError
from latebloom.figures.spec import Axis, Figure, Key, Line, Panel, Text, Tile
from latebloom.views.study_text import MARKS, STATES_BY, STEPS, cell_text
from latebloom.views.ticks import log_ticks

if TYPE_CHECKING:
    from latebloom.analysis.diagram import Cell, Diagram
    from latebloom.analysis.statistics import ScalingFit

HEADS = {
    "state": "numbers are seeds",
    "grokked": "median step of grokking; seen in / runs where some are censored",
    "delay": "median steps from memorising to grokking; seen in / runs that memorised",
}

WORDS = {"lr": "learning rate"}


def survival_of(groups: Sequence[tuple[str, Times]], event: str, title: str, head: str = "") -> Figure:
    """Kaplan–Meier curves of runs without an event yet, and below them how many runs are still looked at.

    Args:
        groups: a label and the times of its runs; one without runs is left out.
        event: in words, "grokked".
        title: of the figure.
        head: above the curves.

    Raises:
        LatebloomError: no group has a run.
    """
    groups = [(label, times) for label, times in groups if len(times)]
    if not groups:
        raise LatebloomError(f"expected runs that tell when they are {event}, got none")
    first = min(
        (float(times.known[times.known > 0].min()) for _, times in groups if (times.known > 0).any()), default=1.0
    )
    last = max(float(times.known.max()) for _, times in groups)
    x = Axis("steps", scale="log", range=(first / 1.5, last * 1.1))
    parts = [part for i, (label, times) in enumerate(groups) for part in _survival(label, times, _ink(i, groups))]
    curves = Panel(
        head or f"Not yet {event}", x, Axis(f"share of runs not yet {event}", range=(0.0, 1.03)), tuple(parts)
    )
    note = f"Kaplan–Meier curves of {sum(len(t) for _, t in groups)} runs; bands are 95 %, pointwise; + is where runs "
    note += f"ended without the event (censored).{_rule(event)}"
    return Figure("survival", title, (curves, _at_risk(groups, x)), note, columns=1, height=3.0)


def _rule(event: str) -> str:
    return f" {_sentence(STEPS[event])}" if event in STEPS else ""


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _ink(place: int, groups: Sequence[Any]) -> float:
    return place / max(len(groups) - 1, 1)


def _survival(label: str, times: Times, ink: float) -> tuple[Line, Line]:
    curve = kaplan_meier(times)
    steps, shares = np.concatenate([[1.0], curve.step]), np.concatenate([[1.0], curve.survival])
    low, high = (np.concatenate([[np.nan], end]) for end in (curve.low, curve.high))
    gone = np.unique(times.low[~times.seen])
    return (
        Line(steps, shares, label, ink, steps=True, low=low, high=high),
        Line(gone, curve.at(gone.tolist()), ink=ink, marker="cross", joined=False),
    )


def _at_risk(groups: Sequence[tuple[str, Times]], x: Axis) -> Panel:
    assert x.range is not None
    ticks = log_ticks(*x.range)
    rows = [(row, times) for row, (_, times) in enumerate(groups)]
    parts = tuple(Text(tick, row, f"{int(np.sum(times.known >= tick))}") for row, times in rows for tick in ticks)
    labels = tuple((float(row), label) for row, (label, _) in enumerate(groups))
    return Panel("Runs at risk", x, Axis("group", range=(-0.6, len(groups) - 0.4), ticks=labels), parts, flip=True)


def scaling_of(x: np.ndarray, times: Times, fit: ScalingFit, name: str, event: str, title: str) -> Figure:
    """When runs have an event, against one variable, every run a point, with the power law fitted to them.

    Args:
        x: of every run, above 0.
        times: of the same runs.
        fit: the law.
        name: of the variable.
        event: in words.
        title: of the figure.
    """
    seen = times.seen
    # seeds beside each other; the same shift for the same seed
    ranks = np.searchsorted(np.unique(times.seed), times.seed)
    beside = x * 1.02 ** (ranks - ranks.max(initial=0) / 2)
    parts = [
        Line(beside[seen], times.known[seen], "a run", "three", marker="circle", joined=False),
        Line(beside[~seen], times.known[~seen], "ended before (censored)", "test", marker="triangle-up", joined=False),
    ]
    parts = [part for part in parts if len(part.x)]
    if fit.middle is not None:
        variable, b = next(iter(fit.exponents.items()))
        ends = "" if b.low is None or b.high is None else f" [{b.low:.2f}, {b.high:.2f}]"
        grid = np.geomspace(x.min(), x.max(), 40)
        parts.append(
            Line(grid, fit.predict({variable: grid}), f"steps ∝ {_word(name)}^{b.value:.2f}{ends}, {fit.law}", "ink")
        )
    y = Axis(f"step at which a run is {event}", scale="log")
    note = f"Censored runs count in the fit as later than their last step. {fit.reason}".strip() + _rule(event)
    across = Axis(_word(name), scale="log")
    return Figure("scaling", title, (Panel(f"By {_word(name)}", across, y, tuple(parts)),), note, columns=1, height=3.2)


def map_of(diagram: Diagram, show: str = "state", study: str = "") -> Figure:
    """A phase diagram; a cell of several end states is striped in proportion.

    Args:
        diagram: its cells.
        show: "state", or the median step of "grokked" or "delay".
        study: its name, for the title.
    """
    inks = _state_inks if show == "state" else _step_inks(diagram.cells, show)
    parts: list[Tile | Text] = []
    for cell in diagram.cells:
        column, row = diagram.xs.index(cell.x), diagram.ys.index(cell.y)
        left = column - 0.5
        for share, ink in inks(cell):
            parts.append(Tile(left, row - 0.5, share, ink))
            left += share
        parts.append(Text(column, row, cell_text(cell, show).replace(" ", "\n"), "tile"))
    axes = [
        Axis(name, range=(-0.5, len(values) - 0.5), ticks=tuple((float(i), _label(v)) for i, v in enumerate(values)))
        for name, values in zip(_words(diagram), (diagram.xs, diagram.ys), strict=True)
    ]
    states = diagram.states if show == "state" else ()
    keys = tuple(Key(f"state-{state}", f"{MARKS[state]}  {state}") for state in states)
    shown = f"end states within {diagram.budget:,} steps" if show == "state" else HEADS[show].partition(";")[0]
    title = f"Study {study}: {shown}" if study else shown[:1].upper() + shown[1:]
    rule = STATES_BY if show == "state" else STEPS[show]
    note = f"{_sentence(HEADS[show])} {_sentence(rule)}" + (
        f" Pooled over {', '.join(diagram.pooled)}." if diagram.pooled else ""
    )
    # one title for both: a square panel is narrower than the figure, and its own would stand apart from the figure's
    panel = Panel("", axes[0], axes[1], tuple(parts), square=True)
    height = min(6.0, max(2.4, 0.62 * len(diagram.ys) + 0.6))
    return Figure("phase-map", title, (panel,), note, columns=1, keys=keys, height=height)


def _words(diagram: Diagram) -> tuple[str, str]:
    """What the axes are called: the last words of their names, where these tell them apart."""
    x, y = _word(diagram.x), _word(diagram.y)
    return (x, y) if x != y else (diagram.x, diagram.y)


def _word(axis: str) -> str:
    last = axis.rpartition(".")[2].replace("_", " ")
    return WORDS.get(last, last)


def _state_inks(cell: Cell) -> list[tuple[float, str | float]]:
    return [(number / cell.runs, f"state-{state}") for state, number in cell.states.items()]


def _step_inks(cells: Sequence[Cell], show: str) -> Callable[[Cell], list[tuple[float, str | float]]]:
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


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
