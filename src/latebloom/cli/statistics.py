"""`latebloom statistics` and `latebloom diagram`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from latebloom.cli.app import AsJson, RunsFolder, app, console, print_json


@app.command
def statistics(
    study: str,
    /,
    *,
    by: Annotated[str | None, Parameter(help="one axis, or the last word of its name [default: each axis]")] = None,
    event: Annotated[Literal["memorised", "grokked"], Parameter(help="whose time is looked at")] = "grokked",
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Times to memorise or to grok over a study: medians with intervals, tests, effect sizes, scaling fits.

    STUDY is a study's name or folder, or a Parquet file of outcomes. Runs that ended before the event are censored,
    never dropped; intervals are over seeds. Fits are power laws with a censored likelihood, T in steps.
    """
    _check(study, runs)
    from latebloom.analysis.outcomes import axes_of, axis_named, open_outcomes
    from latebloom.analysis.statistics import by_axis, fit_all, times_of
    from latebloom.errors import LatebloomError
    from latebloom.views.study_text import none_line, printed

    frame = open_outcomes(study, runs)
    axes = tuple(axes_of(frame))
    chosen = axes if by is None else (axis_named(frame, by),)
    if not chosen:
        raise LatebloomError(f"expected a study in which something varies, got none in {study}")
    times = times_of(frame, event)
    if not as_json and not times.seen.any():
        console().print(none_line(event, times), highlight=False)
        return
    found = [by_axis(frame, axis, event, axes) for axis in chosen]
    fits = fit_all(frame, axes, event) if len(chosen) > 1 else ()
    if as_json:
        print_json({"axes": [axis.to_json() for axis in found], "fits": [asdict(fit) for fit in fits]})
        return
    out = console()
    for part in printed(found, fits):
        out.print(part, highlight=False)


@app.command
def diagram(
    study: str,
    x: str,
    y: str,
    /,
    *,
    show: Annotated[Literal["state", "grokked", "delay"], Parameter(help="what the map shows")] = "state",
    budget: Annotated[
        int | None, Parameter(help="steps within which 90 % must be reached [default: those of the study's runs]")
    ] = None,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="also draw it into this file (.png, .svg, .pdf, .html)")
    ] = None,
    dark: Annotated[bool, Parameter(help="draw on a dark ground")] = False,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Map what a study's runs ended as, when they grokked, or the delay, over two axes X and Y.

    STUDY is a study's name or folder, or a Parquet file of outcomes; X and Y are axes, or the last words of their
    names. End states follow Liu et al. 2022 (first steps with 90 % training and test accuracy, 1000 steps apart), and
    tell collapse, anti-grokking, settled plateaus and divergence besides.
    """
    _check(study, runs)
    from latebloom.analysis.diagram import phase_diagram
    from latebloom.analysis.end_states import LIU
    from latebloom.analysis.outcomes import open_outcomes
    from latebloom.errors import LatebloomError
    from latebloom.views.study_text import diagram_table, legend_lines

    if budget is not None and budget < 1:
        raise LatebloomError(f"--budget: expected 1 step or more, got {budget}")
    frame = open_outcomes(study, runs, None if budget is None else replace(LIU, budget=budget))
    found = phase_diagram(frame, x, y)
    if output is not None:
        from latebloom.figures.endings import map_of

        map_of(found, show, Path(study).stem).save(output, "dark" if dark else "light")
    if as_json:
        print_json(found.to_json())
        return
    out = console()
    out.print(diagram_table(found, show), highlight=False)
    for line in legend_lines(found, show):
        out.print(line, highlight=False)
    if output is not None:
        out.print(f"Figure: {output}", highlight=False)


def _check(study: str, runs: Path) -> None:
    """Tells of a name that is no study before all that reads it is imported, which takes seconds."""
    from latebloom.store.study import study_at
    from latebloom.store.study_file import read_study

    if not study.endswith(".parquet"):
        read_study(study_at(study, runs))
