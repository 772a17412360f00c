"""What the claims of document B share: its source, its set-up, and how its networks differ."""

from __future__ import annotations

import json
import math

import polars as pl

SOURCE = '"Grokking: Extended Analysis" (repository AgentTorch/psi)'
PUBLISHED = (
    "Addition mod 97, half of the pairs, one-hot MLP 194 → h → h → 97 with ReLU, PyTorch's default initialisation, "
    "full-batch AdamW, learning rate 1e-3, λ = 1, 5000 to 10 000 epochs; memorised = first training accuracy ≥ 0.99, "
    "grokked = first test accuracy ≥ 0.95. Single runs."
)
DEPARTURES = (
    "The same network, data, optimiser and float32 loss (preset `sparsity-mlp`); the seed sets split and weights. "
    "One run of this set-up, with seed 42, had been looked at before the rules were written (lab log); it is not "
    "among the runs that decide."
)


def width(runs: pl.DataFrame) -> pl.Series:
    """The hidden width of each run; both layers have the same."""
    return pl.Series([int(json.loads(text)[0]) for text in runs["model.widths"]])


def happened(runs: pl.DataFrame, event: str) -> list[bool]:
    """Whether an event was seen in each run."""
    return runs[f"{event}.step"].is_not_null().to_list()


def steps_by_seed(runs: pl.DataFrame, event: str) -> list[float]:
    """The steps of an event, ascending in seeds; NaN where it was not seen."""
    return [math.nan if step is None else float(step) for step in runs.sort("seed")[f"{event}.step"]]


def steps_or_last(runs: pl.DataFrame, event: str) -> tuple[list[float], list[float]]:
    """The steps of an event, and the last steps of the runs in which it was not seen, ascending in seeds."""
    seen, ordered = pl.col(f"{event}.step").is_not_null(), runs.sort("seed")
    known, ended = ordered.filter(seen)[f"{event}.step"], ordered.filter(~seen)["last_step"]
    return known.cast(pl.Float64).to_list(), ended.cast(pl.Float64).to_list()


def at(curve: pl.DataFrame, column: str, step: float | None) -> float:
    """A measure at the first row from a step on at which it was taken; NaN where there is none."""
    if step is None:
        return math.nan
    known = curve.filter((curve["step"] >= step) & curve[column].is_not_null())
    return float(known[column][0]) if known.height else math.nan


def last(curve: pl.DataFrame, column: str) -> float:
    """A measure at the last row at which it was taken."""
    known = curve[column].drop_nulls()
    return float(known[-1]) if len(known) else math.nan
