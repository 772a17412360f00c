"""What the claims of document A share: its source, its set-up, and when its cosine drops."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

SOURCE = '"Cleanup Phase Analysis Summary" (repository AgentTorch/psi)'
PUBLISHED = (
    "Addition mod 97, 30 % of the pairs, MLP on two concatenated embeddings of 256, 512 → 256 → 256 → 97 with ReLU, "
    "AdamW with λ = 1, PyTorch's betas, minibatches of 512, float32, 50 000 steps, one run (seed 42). cos(g, Hg) "
    "right after a step, on the minibatch just used, in float32, by `cosine_similarity` with its ε of 1e-8."
)
DEPARTURES = (
    "The same network, data and optimiser (preset `cleanup-mlp`), our draws of split, weights and order; seeds 42, "
    "0, 1, 2, 3; 26 000 steps. One run with seed 42 had been looked at before the rules were written (lab log)."
)
STUDY = "cleanup"
LOW, LASTING, SETTLED = 0.2, 3, 2000
"""The cosine has dropped where it is below LOW in LASTING rows one after the other; its plateau begins at SETTLED."""
COSINE, EXACT = "alignment_published", "alignment_batch"


def taken(curve: pl.DataFrame, column: str, low: float = 0, high: float = math.inf) -> pl.DataFrame:
    """The rows from step `low` to step `high` in which a measure was taken."""
    known = curve[column].is_not_null() & curve[column].is_not_nan()
    return curve.filter(known & (curve["step"] >= low) & (curve["step"] <= high))


def typical(curve: pl.DataFrame, column: str, low: float, high: float) -> float:
    """The median of a measure between two steps; NaN where it was not taken."""
    values = taken(curve, column, low, high)[column].to_numpy()
    return float(np.median(values)) if len(values) else math.nan


def near(curve: pl.DataFrame, column: str, step: float) -> float:
    """A measure at the row nearest to a step; NaN where it was never taken or the step is none."""
    rows = taken(curve, column)
    if not math.isfinite(step) or not rows.height:
        return math.nan
    return float(rows[column][int(np.argmin(np.abs(rows["step"].to_numpy() - step)))])


def drop_step(row: dict, curve: pl.DataFrame) -> float:
    """Where the published cosine has dropped, after the run has generalised; NaN where it has not."""
    if row["grokked.step"] is None:
        return math.nan
    rows = taken(curve, COSINE, row["grokked.step"])
    low = rows[COSINE].to_numpy() < LOW
    for i in range(len(low) - LASTING + 1):
        if low[i : i + LASTING].all():
            return float(rows["step"][i])
    return math.nan


def plateau(curve: pl.DataFrame, column: str, drop: float) -> float:
    """The median of a cosine from SETTLED to 1000 steps before its drop, or to the end."""
    return typical(curve, column, SETTLED, drop - 1000 if math.isfinite(drop) else math.inf)


def first_above(curve: pl.DataFrame, column: str, bound: float) -> float:
    """The first step at which a measure is above a bound; NaN where it never is."""
    rows = curve.filter(curve[column] > bound)
    return float(rows["step"][0]) if rows.height else math.nan
