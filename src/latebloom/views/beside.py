"""A fork beside its untouched twin, on the fork's own page: the twin's curves on its time line, events, the cost."""

from __future__ import annotations

import polars as pl

from latebloom.analysis.forked import LOGARITHMIC, RULE, WATCHED, Comparison, Shift
from latebloom.views.figures import LESS, TWIN, title_of
from latebloom.views.findings import NARROW, count
from latebloom.views.fork_text import between, number
from latebloom.views.markup import Html, join, tag
from latebloom.views.tables import scrolled
from latebloom.views.terminal import counted


def with_twin(scalars: pl.DataFrame, twin: pl.DataFrame) -> pl.DataFrame:
    """A fork's log with the twin's numbers beside its own, where both have the step.

    For each watched measure two more columns: the twin's (`TWIN` after the name), and the difference (`LESS`):
    fork − twin of an accuracy, fork ÷ twin of a loss and of Σw², null where that is no number.
    """
    shared = [name for name in WATCHED if name in scalars.columns and name in twin.columns]
    theirs = twin.select("step", *(pl.col(name).cast(pl.Float64).alias(f"{name}{TWIN}") for name in shared))
    both = scalars.join(theirs.unique("step"), on="step", how="left", maintain_order="left")
    return both.with_columns(_apart(name).alias(f"{name}{LESS}") for name in shared)


def _apart(name: str) -> pl.Expr:
    ours, theirs = pl.col(name).cast(pl.Float64), pl.col(f"{name}{TWIN}")
    apart = ours / theirs if name in LOGARITHMIC else ours - theirs
    return pl.when(apart.is_finite()).then(apart)


def told(one: Comparison) -> Html:
    """What the comparison says: when they part, each event in both, and what the change cost."""
    return join(_parting(one), _events(one), _cost(one), *(tag("p", note, class_="quiet") for note in one.notes))


def _parting(one: Comparison) -> Html:
    met = sorted((p for p in one.parted if p.step is not None), key=lambda p: p.step or 0)
    alike = [title_of(p.measure) for p in one.parted if p.step is None]
    if one.parts is not None:
        first = f"They part at step {count(one.parts)}, {count(one.parts - one.step)} steps after the fork. "
        steps = "; ".join(f"{title_of(p.measure)} {count(p.step or 0)}" for p in met)
        said = f"{first}By measure: {steps}."
    else:
        said = f"They do not part up to step {count(one.last)}, by anything that was logged."
    said += f" Alike to the end: {'; '.join(alike)}." if met and alike else ""
    return join(tag("p", said), tag("p", f"Parted: {RULE}.", class_="quiet"))


def _events(one: Comparison) -> Html:
    rows = [_event(shift) for shift in one.shifts if shift.known]
    if not rows:
        return tag("p", "No event came, or could have come, after the fork in either.", class_="quiet")
    heads = ("event", "fork, step", "twin, step", "fork − twin, steps", "")
    return _table(heads, rows, "Events of fork and twin")


def _event(shift: Shift) -> Html:
    steps = ("–" if step is None else count(step) for step in (shift.fork, shift.twin))
    apart = between(shift).replace(",", NARROW)  # digits in threes as everywhere on the page
    cells = [tag("td", cell, class_="number") for cell in (*steps, apart)]
    return tag("tr", tag("th", shift.title, scope="row"), *cells, tag("td", tag("span", shift.why, class_="rule")))


def _cost(one: Comparison) -> Html:
    heads = (
        "number",
        "before",
        "after",
        f"worst in {counted(one.shock, 'step')}",
        "twin's worst",
        "at the end",
        "twin's end",
    )
    rows = []
    for name, end in one.end.items():
        cost = one.cost.get(name, {})
        values = [*(cost.get(key) for key in ("before", "after", "worst", "twin_worst")), end["fork"], end["twin"]]
        if any(value is not None for value in values):
            cells = (tag("td", number(value), class_="number") for value in values)
            rows.append(tag("tr", tag("th", title_of(name), scope="row"), *cells))
    return _table(heads, rows, "What the change cost") if rows else Html("")


def _table(heads: tuple[str, ...], rows: list[Html], label: str) -> Html:
    head = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in heads)))
    return scrolled(tag("table", head, tag("tbody", *rows), class_="events"), label)
