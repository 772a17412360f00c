"""What the claims of document D share: its source, and the small network that most of them are tried on."""

from __future__ import annotations

from typing import Any

from latebloom.claims.results import Part

SOURCE = '"Grokking: Delayed Generalization After Memorization"'
NETWORK = (
    "Addition mod 31, 60 % of the pairs, MLP on summed embeddings (width 32, one hidden layer of 64 ReLUs), AdamW, λ "
    "= 1, learning rate 1e-3, full batch where nothing else is said: a network that groks in seconds."
)
LOOKED = "Runs with seed 99, which is not among those that decide, were looked at to choose sizes and steps."
LATE = 2.0
"""Late is a generalising step of so many times that of memorising or more."""


def late(row: dict[str, Any]) -> bool:
    """Whether a run memorised, and generalised LATE times as late or later."""
    memorised, grokked = row["memorised.step"], row["grokked.step"]
    return memorised is not None and grokked is not None and grokked >= LATE * memorised


def late_of(part: Part) -> list[bool]:
    """`late` of every run."""
    return [late(row) for row in part.runs.iter_rows(named=True)]
