"""Between which steps the set of a circuit's parts changed: there measures that are taken of these parts may jump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray


@dataclass(frozen=True)
class Change:
    """A set that was not the same at two takings in a row.

    Attributes:
        start: the step of the earlier one.
        end: the step of the later one.
        words: what came and what went.
    """

    start: int
    end: int
    words: str


def changes(mask: xarray.DataArray) -> list[Change]:
    """Where a set changes.

    Args:
        mask: 1 for what belongs to the set, shape (step, part); rows that are not finite were not taken.
    """
    taken = mask[np.isfinite(mask.values).all(axis=1)]
    steps, labels, sets = taken["step"].values.tolist(), taken[mask.dims[1]].values.tolist(), taken.values > 0
    differ = np.flatnonzero((sets[1:] != sets[:-1]).any(axis=1)).tolist()
    return [Change(steps[i], steps[i + 1], _words(labels, sets[i], sets[i + 1])) for i in differ]


def _words(labels: list[object], before: np.ndarray, after: np.ndarray) -> str:
    told = (("new", after & ~before), ("no more", before & ~after))
    parts = [
        f"{word}: {', '.join(str(labels[i]) for i in np.flatnonzero(which))}" for word, which in told if which.any()
    ]
    return "; ".join(parts)
