"""The runs of a study as one frame: what varied, when each event came, and what each run ended as."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.end_states import LIU, EndState, Thresholds, end_state
from latebloom.errors import LatebloomError
from latebloom.spec import put, resolve

if TYPE_CHECKING:
    import polars as pl

    from latebloom.store import Study, StudyFile

ACCURACIES = ("train_accuracy", "test_accuracy", "test_accuracy_untransposed")
ADDED = ("end_state", "phase", "end_reason", "train_end", "test_end")
"""The columns that `outcomes` adds."""

KEPT = ("run", "seed", "state", "error", "last_step", "wall_s")
"""Columns of a study's frame that are neither an axis nor an event."""


def outcomes(study: Study, thresholds: Thresholds = LIU) -> pl.DataFrame:
    """A row for each run that has ended: done (at its last step or by its stop rule) or diverged.

    Returns:
        The columns of `study.runs` but for the final scalars, and `end_state`, `phase`, `end_reason`, `train_end`,
        `test_end` as `analysis.end_states` has them. A commutative task is judged by the test accuracy without
        transposes of training pairs.

    Raises:
        LatebloomError: no run has ended.
    """
    import polars as pl

    diverged = pl.col("state").eq("failed") & pl.col("error").fill_null("").str.starts_with("diverged")
    rows = study.runs.select(pl.exclude("^final\\..*$")).filter(pl.col("state").eq("done") | diverged)
    if not rows.height:
        raise LatebloomError(f"expected a study with runs that have ended, got none in {study.folder}: let it train")
    curves = _curves(study)
    chances = _chances(study.plan)
    found = [_end(curves.get(row["run"]), chances[row["run"]], row, thresholds) for row in rows.iter_rows(named=True)]
    columns = ([e.state for e in found], [e.phase for e in found], [e.reason for e in found])
    ends = ([_known(e.train_end) for e in found], [_known(e.test_end) for e in found])
    return rows.with_columns(*(pl.Series(n, v) for n, v in zip(ADDED, (*columns, *ends), strict=True)))


def axes_of(frame: pl.DataFrame) -> list[str]:
    """The fields that vary: all columns of a frame of outcomes that are neither its own nor those of an event."""
    events = {name.removesuffix(".step") for name in frame.columns if name.endswith(".step")}
    own = {*KEPT, *ADDED, *(f"{event}.{end}" for event in events for end in ("step", "after", "censored_at"))}
    return [name for name in frame.columns if name not in own]


def axis_named(frame: pl.DataFrame, name: str) -> str:
    """The axis that a name or the last word of one means: "weight-decay" is "optim.weight_decay".

    Raises:
        LatebloomError: there is none, or there are several.
    """
    axes = axes_of(frame)
    asked = name.replace("-", "_")
    fits = [axis for axis in axes if axis == asked] or [axis for axis in axes if axis.split(".")[-1] == asked]
    if len(fits) != 1:
        raise LatebloomError(f"expected an axis among {', '.join(axes) or 'none'}, got {name!r}")
    return fits[0]


def _curves(study: Study) -> dict[str, pl.DataFrame]:
    scalars = study.scalars()
    wanted = [name for name in ACCURACIES if name in scalars.columns]
    return {str(key[0]): part for key, part in scalars.select("run", "step", *wanted).group_by("run")}


def _chances(plan: StudyFile) -> dict[str, float]:
    """The accuracy of guessing, by run; tasks are built once for each setting of their fields."""
    by_task: dict[str, float] = {}
    found = {}
    for run in plan.runs:
        settings = plan.settings(run.cell)
        key = json.dumps({path: v for path, v in settings.items() if path.split(".")[0] == "task"}, default=str)
        if key not in by_task:
            by_task[key] = 1 / resolve(put(plan.base, {"seed": run.seed} | settings)).build_task().classes
        found[run.id] = by_task[key]
    return found


def _end(curve: pl.DataFrame | None, chance: float, row: dict[str, Any], thresholds: Thresholds) -> EndState:
    step = np.empty(0, dtype=np.int64) if curve is None else curve["step"].to_numpy()
    train, test, untransposed = (_floats(curve, name) for name in ACCURACIES)
    known = not np.isnan(untransposed).all()
    return end_state(
        step,
        train,
        untransposed if known else test,
        chance=chance,
        diverged=row["state"] == "failed",
        thresholds=thresholds,
    )


def _floats(curve: pl.DataFrame | None, name: str) -> np.ndarray:
    if curve is None or name not in curve.columns:
        return np.full(0 if curve is None else curve.height, np.nan)
    return curve[name].cast(float).fill_null(float("nan")).to_numpy()


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
