"""Statistics and phase diagrams of a study as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from latebloom.analysis.end_states import STATES
from latebloom.analysis.finders.accuracy import RULES

if TYPE_CHECKING:
    from latebloom.analysis.diagram import Cell, Diagram
    from latebloom.analysis.statistics import ByAxis, Effect, Estimate, Median, ScalingFit, Times

MARKS = {
    "comprehension": "C",
    "grokking": "G",
    "partial": "P",
    "memorisation": "M",
    "anti-grokking": "A",
    "collapse": "X",
    "stuck-plateau": "S",
    "confusion": "–",
    "diverged": "!",
    "unclear": "?",
}
"""A letter for each end state, so that colour is never the only sign."""

STEPS = {
    "memorised": f"memorised: {RULES['memorised']}",
    "grokked": f"grokked: {RULES['generalised']}, late or not",
    "delay": f"from memorised ({RULES['memorised']}) to grokked ({RULES['generalised']}, late or not)",
}
"""Whose steps tables and figures of studies show: as `analysis.outcomes` has them, every run that generalised."""
STATES_BY = "end states are those of Liu et al. 2022: 90 % accuracy first reached; grokking: 1000 steps apart or more"


def medians_table(found: ByAxis) -> Table:
    """The median step at each value of the axis, with its interval over seeds and the number of censored runs."""
    table = _table(found.axis, "runs", "censored", f"median step, {found.event}", "95 % over seeds", "what is missing")
    for value, m in zip(found.values, found.medians, strict=True):
        median = "not reached" if m.step is None else f"{m.step:,.0f}"
        low, high = ("∞" if end is None else f"{end:,.0f}" for end in (m.low, m.high))
        ends = f"{low} … {high}" if m.step is not None or m.low is not None else ""
        table.add_row(f"{value}", f"{m.runs}", f"{m.runs - m.seen}", median, ends, m.reason)
    return table


def steps_table(found: ByAxis) -> Table:
    """Neighbouring values compared: ratio of medians, Cliff's delta, log-rank p adjusted by Holm's method."""
    table = _table(
        f"{found.axis}: from … to", "ratio of medians", "Cliff's delta", "log-rank p (Holm)", "what is missing"
    )
    for step in found.steps:
        p = "–" if step.p_holm is None else f"{step.p_holm:.2g}"
        why = "; ".join(part for part in (step.ratio.reason, step.delta.reason, step.logrank.reason) if part)
        table.add_row(f"{step.one} … {step.other}", effect(step.ratio), effect(step.delta), p, why)
    return table


def verdict_lines(found: ByAxis) -> list[str]:
    """The log-rank test over all values, each fit, and what was pooled."""
    test = found.logrank
    told = test.reason
    if test.p is not None:
        told = f"χ² = {test.statistic:.2f}, {test.df} degrees of freedom, p = {test.p:.2g}"
    lines = [f"log-rank over all values: {told}", *(fit_line(fit) for fit in found.fits)]
    if found.pooled:
        lines.append(f"pooled over {', '.join(found.pooled)}: runs of one value differ in these too")
    return lines


def fit_line(fit: ScalingFit) -> str:
    """A fit in a line: exponents with intervals, T at the middle, spread, goodness."""
    if fit.middle is None or fit.sigma is None:
        return f"{fit.law}: no fit: {fit.reason}"
    powers = " ".join(f"{name}^{estimate(b)}" for name, b in fit.exponents.items())
    at = ", ".join(f"{name} = {value:.3g}" for name, value in fit.at.items())
    bend = "" if fit.bend is None else f"; a bend: p = {fit.bend:.2g}"
    left = f"; {fit.reason}" if fit.reason else ""
    return (
        f"{fit.law}: T ∝ {powers}; T = {estimate(fit.middle, '.0f')} at {at}; σ = {fit.sigma.value:.2f}; "
        f"AIC {fit.aic:.1f}{bend}; {fit.runs} runs, {fit.runs - fit.seen} censored{left}"
    )


def estimate(found: Estimate, form: str = ".2f") -> str:
    """A value with its 95 % profile interval; an end without a number is open."""
    low, high = ("open" if end is None else f"{end:{form}}" for end in (found.low, found.high))
    return f"{found.value:{form}} [{low}, {high}]"


def effect(found: Effect) -> str:
    """An effect size with its interval, whose end may be open; – where it cannot be told."""
    if found.value is None:
        return "–"
    low, high = ("open" if end is None else f"{end:.2f}" for end in (found.low, found.high))
    return f"{found.value:.2f} [{low}, {high}]"


def none_line(event: str, times: Times) -> str:
    """What is said of an event that no run has had: nothing is compared."""
    if not len(times):
        return f"no run tells whether it has {event}"
    first, last = int(times.known.min()), int(times.known.max())
    where = f"{last:,}" if first == last else f"{first:,} to {last:,}"
    runs = "the only run has not" if len(times) == 1 else f"none of {len(times):,} runs has"
    return f"{runs} {event} by its last step ({where}), so that there is nothing to compare; {STEPS[event]}"


def diagram_table(diagram: Diagram, show: str) -> Table:
    """The map, the highest value of the vertical axis on top."""
    table = _table(f"{diagram.y} ↓  {diagram.x} →", *(f"{x:g}" if isinstance(x, float) else f"{x}" for x in diagram.xs))
    for y in reversed(diagram.ys):
        table.add_row(f"{y}", *(_cell(diagram.cell(x, y), show) for x in diagram.xs))
    return table


def legend_lines(diagram: Diagram, show: str) -> list[str]:
    """What the marks of the map mean, the rule's budget, and what was pooled."""
    if show == "state":
        lines = [f"{MARKS[state]}  {state}: {STATES[state]}" for state in diagram.states]
        lines.append(
            f"numbers are seeds; accuracies are looked for within {diagram.budget:,} steps (Liu et al. 2022: 100,000)"
        )
        lines.append(STATES_BY)
    else:
        what = "step of grokking" if show == "grokked" else "steps from memorising to grokking"
        lines = [f"median {what}; beside or instead of it, where runs are censored, in how many of them it was seen"]
        lines.append(STEPS[show])
    if diagram.pooled:
        lines.append(f"pooled over {', '.join(diagram.pooled)}: runs of one cell differ in these too")
    return lines


def cell_text(cell: Cell, show: str) -> str:
    """What stands in a cell: marks with numbers of seeds, or a median with the runs in which it was seen."""
    if show == "state":
        return " ".join(f"{number}{MARKS[state]}" for state, number in cell.states.items())
    found: Median = cell.grokked if show == "grokked" else cell.delay
    if not found.runs:
        return "–"
    if found.seen == found.runs and found.step is not None:
        return f"{found.step:,.0f}"
    share = f"{found.seen}/{found.runs}"
    return share if found.step is None else f"{found.step:,.0f} ({share})"


def _cell(cell: Cell | None, show: str) -> str:
    return "" if cell is None else cell_text(cell, show)


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def printed(found: Sequence[ByAxis], fits: Sequence[ScalingFit]) -> list[Any]:
    """All that `latebloom statistics` prints, in order, of an event that some run has had."""
    parts: list[Any] = []
    for axis in found:
        parts += [medians_table(axis), *verdict_lines(axis), "", steps_table(axis), ""]
    parts += [f"all axes, {fit_line(fit)}" for fit in fits]
    return [*parts, *(STEPS[event] for event in {axis.event for axis in found})]
