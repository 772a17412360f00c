"""What a run page shows of a run that may still be training: its figures as data, and the rows that came since."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.store import Run, StoreError
from latebloom.store.layout import finite_json

if TYPE_CHECKING:
    import polars as pl


def rows_since(run: Run, step: int) -> dict[str, Any]:
    """The log rows after a step, and where the run stands.

    Returns:
        `steps`, `curves` (a list for each number; false where it was not taken, null where it is not finite), `state`,
        `last_step`, `total_steps`.
    """
    status = run.status
    try:
        scalars = run.scalars
    except StoreError:  # it is being finished at this very moment: the next call finds it whole
        scalars = None
    told = {"state": status.state, "last_step": status.last_step, "total_steps": status.total_steps}
    if scalars is None or "step" not in scalars.columns:
        return told | {"steps": [], "curves": {}}
    new = scalars.filter(scalars["step"] > step)
    curves = {name: _values(new[name]) for name in new.columns if name not in ("run", "step")}
    return told | {"steps": new["step"].to_list(), "curves": curves}


def _values(column: pl.Series) -> list[float | bool | None]:
    absent = column.is_null().to_numpy()
    numbers = column.cast(float).fill_null(float("nan")).to_numpy()
    return [False if skip else finite_json(v) for skip, v in zip(absent, np.asarray(numbers).tolist(), strict=True)]
