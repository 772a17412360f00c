"""One self-contained HTML file of one study: what came of its runs, the map of end states, survival curves, tables."""

from __future__ import annotations

import itertools
from collections import Counter
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from latebloom import __version__
from latebloom.analysis.diagram import Cell, Diagram, phase_diagram
from latebloom.analysis.end_states import LIU, STATES
from latebloom.analysis.finders.accuracy import RULES
from latebloom.analysis.outcomes import axes_of, held, outcomes
from latebloom.analysis.statistics import ByAxis, by_axis, times_of
from latebloom.errors import LatebloomError
from latebloom.views import tables
from latebloom.views.findings import NARROW, count
from latebloom.views.inks import STATE_COLOURS
from latebloom.views.markup import Html, join, tag, text
from latebloom.views.report import bundle, page_text, policy, write_page
from latebloom.views.study_text import MARKS, cell_text, estimate
from latebloom.views.survival_plot import survival_plot

if TYPE_CHECKING:
    import polars as pl

    from latebloom.store import Study

FOLDER = files("latebloom.views") / "study_page"
SCRIPTS = ("format", "data", "timeline", "scales", "svg", "frame", "heat", "theme")
MOST_MAPS = 3
ALL = "all runs"
"""The second axis of the map of a study that has one."""


def write_study_report(study: Study) -> Path:
    """Write `report.html` into a study's folder, whole or not at all.

    Args:
        study: of which at least one run has ended.

    Raises:
        LatebloomError: no run has ended, or the folder cannot be written.
    """
    return write_page(render_study(study), study.folder / "report.html", "latebloom report")


def render_study(study: Study) -> str:
    """The report as HTML: no file beside it, nothing fetched from anywhere.

    Raises:
        LatebloomError: no run has ended.
    """
    frame = outcomes(study)
    if lacking := [name for name in ("memorised.step", "grokked.step") if name not in frame.columns]:
        raise LatebloomError(
            f"expected runs that tell when they {lacking[0].split('.')[0]}, got none in {study.folder}"
        )
    axes = [axis for axis in axes_of(frame) if frame[axis].n_unique() > 1]
    found = [by_axis(frame, axis, "grokked", tuple(axes)) for axis in axes]
    style = page_text("report.css") + _text("study.css") + _state_colours()
    script = bundle(SCRIPTS, _text("study.js"))
    curves = [_survival(frame, axis) for axis in found]
    sections = (
        _section("Map of end states", *_maps(frame, axes)),
        _section(
            "When runs generalise", *(curves or [survival_plot([(ALL, times_of(frame, "grokked"))], "generalised")])
        ),
        _section("Every run", _runs(study.runs, frame, axes)),
        _section("Plan", _plan(study)),
    )
    return Template(_text("study.html")).substitute(
        policy=policy(style, script),
        title=text(f"{study.plan.name} · study"),
        style=style,
        head=_head(study, frame, found),
        sections=join(*sections),
        version=__version__,
        script=script,
    )


def _head(study: Study, frame: pl.DataFrame, found: list[ByAxis]) -> Html:
    states = Counter(study.runs["state"].to_list())
    planned, seen = study.runs.height, int(frame["grokked.step"].is_not_null().sum())
    late = int((frame["end_state"] == "grokking").sum())
    some = count(late) if late else "none"
    said = f"{count(seen)} of {count(frame.height)} runs generalised, {some} of them long after they memorised."
    budget = int(frame["end_budget"][0])
    ends = Counter(frame["end_state"].to_list())
    told = ", ".join(f"{ends[state]} {state}" for state in STATES if ends[state])
    lede = [f"What they ended as within {count(budget)} steps: {told}."]
    left = {state: n for state, n in states.items() if state != "done"}
    if left:
        rest = ", ".join(f"{n} {state}" for state, n in sorted(left.items()))
        lede.append(f"Of {count(planned)} planned runs, not done: {rest}.")
    lede += [sentence for axis in found for sentence in _axis_sentences(axis)]
    return join(
        tag("p", tag("strong", study.plan.name), tag("code", f"{count(planned)} runs"), class_="over"),
        tag("h1", said),
        tag("p", study.plan.question) if study.plan.question else None,
        tag("div", *(tag("p", sentence) for sentence in lede), class_="lede"),
    )


def _axis_sentences(found: ByAxis) -> list[str]:
    """The medians from the lowest to the highest value, the test over all, and the power law that fits best."""
    known = [(v, m.step) for v, m in zip(found.values, found.medians, strict=True) if m.step is not None]
    if len(known) < 2:
        return [f"{found.axis}: at {len(known)} of its {len(found.values)} values, half of the runs generalised."]
    (first, early), (last, late) = known[0], known[-1]
    told = f"{found.axis} from {_value(first)} to {_value(last)}: the median step of generalising goes from "
    told += f"{count(round(early))} to {count(round(late))}"
    if found.logrank.p is not None:
        told += f" (log-rank over all values, p = {found.logrank.p:.2g})"
    sound = [(fit.aic, i) for i, fit in enumerate(found.fits) if fit.middle is not None and fit.aic is not None]
    if sound:
        best = found.fits[min(sound)[1]]
        told += "".join(f"; T ∝ {name}^{estimate(power)}, {best.law}" for name, power in best.exponents.items())
    return [f"{told}."]


def _maps(frame: pl.DataFrame, axes: list[str]) -> list[Html]:
    import polars as pl

    if len(axes) == 1:
        frame = frame.with_columns(pl.lit(ALL).alias(ALL))
        axes = [*axes, ALL]
    pairs = list(itertools.combinations(axes, 2))
    drawn = [phase_diagram(frame, x, y) for x, y in pairs[:MOST_MAPS]]
    more = f"Maps of {len(pairs) - MOST_MAPS} further pairs of axes: `latebloom diagram`."
    notes = [tag("p", more, class_="quiet")] if len(pairs) > MOST_MAPS else []
    states = [state for state in STATES if any(state in diagram.states for diagram in drawn)]
    return [*map(_map, drawn), *notes, _legend(states)] if drawn else []


def _map(diagram: Diagram) -> Html:
    heads = tag("tr", tag("td"), *(tag("th", _value(x), scope="col") for x in diagram.xs))
    rows = [
        tag("tr", tag("th", _value(y), scope="row"), *(_cell(diagram.cell(x, y)) for x in diagram.xs))
        for y in reversed(diagram.ys)
    ]
    pooled = f"; pooled over {', '.join(diagram.pooled)}" if diagram.pooled else ""
    up = "" if diagram.y == ALL else f"{diagram.y} up, "
    about = f"{up}{diagram.x} across{pooled}. Letters: end states with their number of runs; below, the median step "
    about += f"of generalising ({RULES['generalised']}), with the runs in which it was seen where not in all."
    table = tag("table", tag("tbody", *rows, heads), class_="phase-map")
    return join(tag("p", about, class_="quiet"), tables.scrolled(table, f"Map over {diagram.x} and {diagram.y}"))


def _cell(cell: Cell | None) -> Html:
    if cell is None:
        return tag("td", tag("span", "–", class_="none"))
    left, stripes = 0.0, []
    for state, number in cell.states.items():
        share = 100 * number / cell.runs
        stripes.append(tag("rect", x=f"{left:.2f}", y=0, width=f"{share:.2f}", height=1, class_=f"end-{state}"))
        left += share
    ground = tag("svg", *stripes, viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")
    told = ", ".join(f"{number} {state}" for state, number in cell.states.items())
    step = cell_text(cell, "grokked").replace(",", NARROW)
    return tag("td", ground, tag("span", cell_text(cell, "state")), tag("small", step), title=told)


def _legend(states: list[Any]) -> Html:
    rows = []
    for state in states:
        swatch = tag("rect", width=26, height=16, class_=f"end-{state}")
        picture = tag("svg", swatch, viewBox="0 0 26 16", aria_hidden="true")
        rows += [picture, tag("strong", f"{MARKS[state]}  {state}"), tag("span", STATES[state], class_="quiet")]
    told = (
        "End states go by the first steps with 90 % training and test accuracy, for grokking 1000 steps apart (Liu et "
    )
    told += "al. 2022), and leave out the transposes of training pairs where a task is commutative. The steps of "
    told += f"generalising go by another rule ({RULES['generalised']}), transposes included."
    return join(tag("div", *rows, class_="states"), tag("p", told, class_="quiet"))


def _survival(frame: pl.DataFrame, found: ByAxis) -> Html:
    name = found.axis.split(".")[-1]
    groups = [
        (f"{name} = {_value(v)}", times_of(frame.filter(frame[found.axis] == v), "grokked")) for v in found.values
    ]
    heads = ("value", "runs", "generalised", "median step", "95 % over seeds", "what is missing")
    rows = []
    for value, m in zip(found.values, found.medians, strict=True):
        ends = "" if m.step is None else f"{_step(m.low)} … {_step(m.high)}"
        cells = (m.runs, m.seen, _step(m.step), ends)
        rows.append(
            tag(
                "tr",
                tag("th", _value(value), scope="row"),
                *(tag("td", c, class_="number") for c in cells),
                tag("td", m.reason, class_="rule"),
            )
        )
    pooled = f" Pooled over {', '.join(found.pooled)}." if found.pooled else ""
    told = f"Generalised: {RULES['generalised']}. Kaplan–Meier; "
    told += f"runs that ended without it are censored, never dropped.{pooled}"
    return join(
        tag("h3", found.axis),
        tag("p", told, class_="quiet"),
        survival_plot(groups, "generalised"),
        tables.scrolled(_table(heads, rows), f"Medians by {found.axis}"),
    )


def _runs(runs: pl.DataFrame, frame: pl.DataFrame, axes: list[str]) -> Html:
    import polars as pl

    ends = frame.select("run", "end_state", "end_reason", "memorised.step", pl.col("grokked.step").alias("generalised"))
    joined = runs.select("run", "seed", *axes, "state", "error", "last_step").join(ends, on="run", how="left")
    heads = ("run", "seed", *axes, "state", "memorised", "generalised", "last step", "ended as", "why")
    rows = []
    for row in joined.iter_rows(named=True):
        numbers = [row["seed"], *(_value(row[axis]) for axis in axes)]
        steps = [_step(row[name]) for name in ("memorised.step", "generalised", "last_step")]
        cells = [tag("td", n, class_="number") for n in numbers] + [tag("td", row["state"])]
        cells += [tag("td", step, class_="number") for step in steps]
        cells += [tag("td", row["end_state"] or "–"), tag("td", row["end_reason"] or row["error"] or "", class_="rule")]
        rows.append(tag("tr", tag("th", tag("code", row["run"]), scope="row"), *cells))
    table = tables.scrolled(_table(heads, rows), "Every run")
    told = (
        f"Memorised: {RULES['memorised']}; generalised: {RULES['generalised']}. What a run ended as goes by the first "
    )
    told += f"evaluation with {100 * LIU.reached:g} %: it may have learnt the training set by it and have no step here."
    return tag("details", tag("summary", f"All {count(len(rows))} runs"), tag("p", told, class_="quiet"), table)


def _plan(study: Study) -> Html:
    plan = study.plan
    facts: dict[str, Any] = {"folder": study.folder.name, "runs": len(plan.runs), "seeds": _listed(plan.seeds)}
    facts |= {f"axis {axis.name.split('.')[-1]}": _listed(axis.values) for axis in plan.axes}
    return tables.spec_cards({"study": facts} | held(plan))


def _listed(values: Any) -> str:
    return ", ".join(_value(value) for value in values)


def _table(heads: tuple[str, ...], rows: list[Html]) -> Html:
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    return tag("table", head, tag("tbody", *rows))


def _state_colours() -> str:
    rules = [f".end-{state} {{ fill: {colour}; }}" for state, colour in STATE_COLOURS.items()]
    return "\n".join([*rules, ""])


def _section(title: str, *html: Html | None) -> Html:
    body = join(*html)
    return tag("section", tag("h2", title), body) if body else Html("")


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _step(value: float | None) -> str:
    return "–" if value is None else count(round(value))


def _text(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
