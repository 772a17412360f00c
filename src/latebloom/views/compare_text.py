"""Runs side by side in a terminal: what tells them apart, when things happened, and their numbers at one moment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import polars as pl
from rich.table import Table

from latebloom.analysis import event_from_json, find_events, phases
from latebloom.analysis.forked import WATCHED
from latebloom.views.figures import title_of
from latebloom.views.fork_text import number
from latebloom.views.told_apart import SAME, differing, fields_of, said

if TYPE_CHECKING:
    from latebloom.store import Run

TOLD_BY_OTHERS = tuple(part for part in SAME if part != "seeds")


def beside(runs: Sequence[Run], at: Sequence[float]) -> list[dict[str, Any]]:
    """What is told of runs that stand side by side, as plain data.

    Args:
        runs: finished or not.
        at: for each a step: its `values` are those of the last log row up to there; NaN stands for no row.

    Returns:
        For each run its name, folder and state; `differs`, its fields by path in which some other of the runs has
        another value; `events`, the step of each, None where it was not found; `phases`; the row's `step` and `values`.
    """
    fields = [dict(fields_of(run.spec, TOLD_BY_OTHERS)) for run in runs]
    paths = differing(fields)
    told = zip(runs, fields, at, strict=True)
    return [_one(run, {path: own[path] for path in paths if path in own}, step) for run, own, step in told]


def _one(run: Run, differs: dict[str, Any], at: float) -> dict[str, Any]:
    log = run.scalars
    log = log.sort("step") if "step" in log.columns else pl.DataFrame({"step": []}, schema={"step": pl.Int64})
    events = [event_from_json(event) for event in run.events] or (find_events(log) if log.height else [])
    rows = log.filter(pl.col("step") <= at) if at == at else log.clear()
    last = rows.row(-1, named=True) if rows.height else {}
    return {
        "run": run.id,
        "folder": str(run.folder),
        "state": run.state,
        "differs": differs,
        "events": {event.name: event.found.step for event in events},
        "phases": [vars(phase) for phase in phases(events, int(log["step"][-1]))] if log.height else [],
        "step": last.get("step"),
        "values": {name: value for name, value in last.items() if name not in ("run", "step")},
    }


def table(told: Sequence[dict[str, Any]]) -> Table:
    """A column for each run; of its events those that came in some run, of its numbers the few that forks show."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("", *(one["run"] for one in told)):
        made.add_column(head, justify="right" if head else "left", overflow="fold")

    def rows(title: str, names: Mapping[str, str], cells: Sequence[Mapping[str, str]]) -> None:
        made.add_row(title, *("" if names else "–" for _ in cells), style="bold")
        for key, name in names.items():
            made.add_row(f"  {name}", *(cell.get(key, "–") for cell in cells))

    made.add_row("state", *(one["state"] for one in told))
    differ = [{path: said(value) for path, value in one["differs"].items()} for one in told]
    rows("what differs", {path: path for one in differ for path in one}, differ)
    steps = [{name: f"{step:,}" for name, step in one["events"].items() if step is not None} for one in told]
    rows("events: step", {name: name for one in steps for name in one}, steps)
    spans = [{phase["name"]: f"{phase['start']:,}–{phase['end']:,}" for phase in one["phases"]} for one in told]
    rows("phases: steps", {phase["name"]: phase["title"].lower() for one in told for phase in one["phases"]}, spans)
    values = [{name: number(one["values"].get(name)) for name in WATCHED} for one in told]
    known = {name: title_of(name) for name in WATCHED if any(one[name] != "–" for one in values)}
    made.add_row("numbers at step", *("–" if one["step"] is None else f"{one['step']:,}" for one in told), style="bold")
    for name, title in known.items():
        made.add_row(f"  {title}", *(one[name] for one in values))
    return made


def hint(runs: Sequence[Run], root: Path) -> str:
    """Where the same runs are drawn; the dashboard knows those below its folder alone."""
    draw = shlex.join(["latebloom", "figure", "compare", *(str(run.folder) for run in runs), "-o", "compare.png"])
    below = [run.folder.resolve() for run in runs if run.folder.resolve().is_relative_to(root.resolve())]
    query = urlencode([("run", folder.relative_to(root.resolve()).as_posix()) for folder in below], safe="/")
    return f"Curves: {draw}; or `latebloom serve{'' if root == Path('runs') else f' {root}'}`, /compare?{query}"
