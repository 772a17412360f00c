"""The runs of a study as one frame: what varied, when each event came, and what each run ended as."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.end_states import LIU, EndState, Thresholds, end_state
from latebloom.errors import LatebloomError
from latebloom.spec import put, resolve

if TYPE_CHECKING:
    import polars as pl

    from latebloom.store import Study, StudyFile

ACCURACIES = ("train_accuracy", "test_accuracy", "test_accuracy_untransposed")
ADDED = ("end_state", "phase", "end_reason", "train_end", "test_end", "end_budget")
"""The columns that `outcomes` adds."""

SIZES = ("task", "split", "batch", "steps", "epochs")
"""Parts of a spec that decide the number of answers or of steps."""

KEPT = ("run", "seed", "state", "error", "last_step", "wall_s")
"""Columns of a study's frame that are neither an axis nor an event."""


def outcomes(study: Study, thresholds: Thresholds | None = None) -> pl.DataFrame:
    """A row for each run that has ended: done (at its last step or by its stop rule) or diverged.

    Args:
        study: as `open_study` gives it.
        thresholds: of the end states; None is those of Liu et al. but for the budget, which is the steps that the
            study gives each of its runs.

    Returns:
        The columns of `study.runs` but for the final scalars, and `end_state`, `phase`, `end_reason`, `train_end`,
        `test_end` as `analysis.end_states` has them, with the budget. A commutative task is judged by the test accuracy
        without transposes of training pairs. `grokked.*` is the time to generalise, late or not, as in runs of before
        the two were told apart: fast runs left out would bias every median. What is late is for `end_state` to say.

    Raises:
        LatebloomError: no run has ended.
    """
    import polars as pl

    diverged = pl.col("state").eq("failed") & pl.col("error").fill_null("").str.starts_with("diverged")
    rows = study.runs.select(pl.exclude("^final\\..*$")).filter(pl.col("state").eq("done") | diverged)
    rows = time_to_generalise(rows)
    if not rows.height:
        raise LatebloomError(f"expected a study with runs that have ended, got none in {study.folder}: let it train")
    facts = _facts(study.plan)
    if thresholds is None:
        thresholds = replace(LIU, budget=min(steps for _, steps in facts.values()))
    curves = _curves(study)
    found = [_end(curves.get(row["run"]), facts[row["run"]][0], row, thresholds) for row in rows.iter_rows(named=True)]
    columns = ([e.state for e in found], [e.phase for e in found], [e.reason for e in found])
    ends = ([_known(e.train_end) for e in found], [_known(e.test_end) for e in found])
    added = (*columns, *ends, [thresholds.budget] * len(found))
    return rows.with_columns(*(pl.Series(name, values) for name, values in zip(ADDED, added, strict=True)))


def open_outcomes(place: str, root: Path, thresholds: Thresholds | None = None) -> pl.DataFrame:
    """The outcomes of a study's folder, or those that a Parquet file of outcomes holds.

    Raises:
        LatebloomError: there is no such study, or the file is not one of outcomes.
    """
    import polars as pl

    from latebloom.store import open_study

    if not place.endswith(".parquet"):
        return outcomes(open_study(place, root), thresholds)
    if thresholds is not None:
        raise LatebloomError(f"expected a study's folder to judge end states anew, got {place}: they are stored in it")
    try:
        frame = pl.read_parquet(Path(place))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise LatebloomError(f"{place} cannot be read as Parquet: {error}") from error
    lacking = [name for name in ("run", "seed", *ADDED) if name not in frame.columns]
    if lacking or not frame.height:
        what = f"no column {lacking[0]}" if lacking else "no rows"
        raise LatebloomError(f"{place}: expected outcomes of a study, got {what}; name the study's folder instead")
    return frame


def time_to_generalise(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose `grokked.*` is the time to generalise, late or not: their `generalised.*` where there is one."""
    import polars as pl

    if "generalised.step" not in rows.columns:
        return rows
    known = pl.col("generalised.step").is_not_null() | pl.col("generalised.censored_at").is_not_null()
    ends = ("step", "after", "censored_at")
    chosen = [
        pl.when(known).then(pl.col(f"generalised.{e}")).otherwise(pl.col(f"grokked.{e}")).alias(f"grokked.{e}")
        for e in ends
    ]
    return rows.with_columns(chosen).drop(f"generalised.{e}" for e in ends)


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


def held(plan: StudyFile) -> dict[str, Any]:
    """What a study's runs have in common: its base but for the seed, and for what axes set or take the ground from."""
    base = {key: value for key, value in plan.base.items() if key not in ("seed", "seeds")}
    cells = {json.dumps(run.cell, sort_keys=True): run.cell for run in plan.runs}
    return _shared([base, *(put(base, plan.settings(cell)) for cell in cells.values())])


def _shared(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """What is the same in all of some specs."""
    found = {}
    for key, value in tables[0].items():
        values: list[Any] = [table.get(key) for table in tables]
        if all(isinstance(one, dict) for one in values):
            found[key] = _shared(values)
        elif all(one == value for one in values):
            found[key] = value
    return found


def _curves(study: Study) -> dict[str, pl.DataFrame]:
    scalars = study.scalars()
    wanted = [name for name in ACCURACIES if name in scalars.columns]
    return {str(key[0]): part for key, part in scalars.select("run", "step", *wanted).group_by("run")}


def _facts(plan: StudyFile) -> dict[str, tuple[float, int]]:
    """The accuracy of guessing and the steps given, by run; specs are resolved once for what can change either."""
    known: dict[str, tuple[float, int]] = {}
    found = {}
    for run in plan.runs:
        settings = plan.settings(run.cell)
        telling = {path: v for path, v in settings.items() if path.split(".")[0] in SIZES}
        key = json.dumps(telling, default=str)
        if key not in known:
            spec = resolve(put(plan.base, {"seed": run.seed} | settings))
            known[key] = (1 / spec.build_task().classes, spec.steps)
        found[run.id] = known[key]
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
