"""Several runs beside each other: the same numbers of each, and the events they can be aligned on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from latebloom.analysis import event_from_json, find_events
from latebloom.dashboard.listing import task_title
from latebloom.measures import RECORDS
from latebloom.store import Run
from latebloom.store.layout import finite_json
from latebloom.views import findings
from latebloom.views.figures import title_of
from latebloom.views.thinning import rows_to_keep

MOST_RUNS = 12
ROWS = 800
SHOWN = (
    "train_loss",
    "test_loss",
    "train_accuracy",
    "test_accuracy",
    "restricted_loss_all",
    "excluded_loss",
    "weight_norm_sq",
    "gini_fourier_W_E",
    "gini_raw_weights",
    "logit_scale",
    "alignment",
    "hessian_max",
)
"""Numbers that are compared where at least one run has them; a page may ask for others by name."""


def compared(runs: Sequence[tuple[str, Run]], names: Sequence[str] = ()) -> dict[str, Any]:
    """The curves of several runs.

    Args:
        runs: folder and run.
        names: numbers to show; none shows `SHOWN`.

    Returns:
        `runs`: for each its folder, what it is, its events and its curves; `measures`: name, title, unit and scale
        of what is shown; `names`: all that could be.
    """
    told = [_one(folder, run, names or SHOWN) for folder, run in runs]
    there = {name for one in told for name in one["curves"]}
    measures = [name for name in (names or SHOWN) if name in there]
    every = sorted({name for one in told for name in one.pop("names")})
    differing = _differing([run.spec for _, run in runs])
    for one, (_, run) in zip(told, runs, strict=True):
        one["differs"] = {path: _at(run.spec, path) for path in differing}
    return {"runs": told, "measures": [_measure(name) for name in measures], "names": every}


def _one(folder: str, run: Run, names: Sequence[str]) -> dict[str, Any]:
    scalars = run.scalars
    known = [name for name in names if name in scalars.columns]
    steps = scalars["step"].to_numpy() if "step" in scalars.columns else np.zeros(0, np.int64)
    columns = [scalars[name].cast(float).fill_null(float("nan")).to_numpy() for name in known]
    kept = rows_to_keep(steps, columns, most=ROWS)
    found = [event_from_json(event) for event in run.events] or find_events(scalars)
    events = {event.name: event.found.step for event in found}
    fork = run.spec.get("fork")
    if isinstance(fork, dict) and isinstance(fork.get("step"), int):
        events["forked"] = fork["step"]
    return {
        "folder": folder,
        "about": " · ".join(filter(None, (task_title(run.spec), findings.setting(run.spec)))),
        "state": run.state,
        "events": events,
        "steps": steps[kept].tolist(),
        "curves": {n: finite_json(column[kept].tolist()) for n, column in zip(known, columns, strict=True)},
        "names": [name for name in scalars.columns if name not in ("run", "step")],
    }


def _measure(name: str) -> dict[str, str]:
    record = RECORDS.get(name)
    scale = "share" if name.endswith("accuracy") else "log" if "loss" in name else "linear"
    if record is None:
        return {"name": name, "title": name, "unit": "", "formula": "", "scale": scale}
    unit = {"1": "pure number"}.get(record.units, record.units)
    return {"name": name, "title": title_of(name), "unit": unit, "formula": record.formula, "scale": scale}


def _differing(specs: Sequence[dict[str, Any]]) -> list[str]:
    """The paths of all settings that are not the same in every spec."""
    paths = sorted({path for spec in specs for path in _paths(spec)})
    return [path for path in paths if any(_at(spec, path) != _at(specs[0], path) for spec in specs)]


def _paths(table: dict[str, Any], before: str = "") -> list[str]:
    found = []
    for key, value in table.items():
        here = f"{before}{key}"
        found += _paths(value, f"{here}.") if isinstance(value, dict) and value else [here]
    return found


def _at(table: Any, path: str) -> Any:
    for part in path.split("."):
        table = table.get(part) if isinstance(table, dict) else None
    return table
