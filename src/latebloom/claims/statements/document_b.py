"""What the claims of document B share: its source, its set-up, and how its networks differ."""

from __future__ import annotations

import json

import polars as pl

SOURCE = '"Grokking: Extended Analysis" (repository AgentTorch/psi)'
PUBLISHED = (
    "Addition mod 97, half of the pairs, one-hot MLP 194 → h → h → 97 with ReLU, PyTorch's default initialisation, "
    "full-batch AdamW, learning rate 1e-3, λ = 1, 5000 to 10 000 epochs; memorised = first training accuracy ≥ 0.99, "
    "grokked = first test accuracy ≥ 0.95. Single runs."
)
DEPARTURES = (
    "The same network, data, optimiser and float32 loss (preset `sparsity-mlp`); the seed sets split and initial weights. "
    "One run of this set-up, with seed 42, had been looked at before the rules were written (lab log); it is not among "
    "the runs that decide."
)


def width(runs: pl.DataFrame) -> pl.Series:
    """The hidden width of each run; both layers have the same."""
    return pl.Series([int(json.loads(text)[0]) for text in runs["model.widths"]])
