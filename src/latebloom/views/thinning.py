"""Fewer points where a page could not show them all, without losing a spike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

MOST_ROWS = 4000
"""Log rows that a report embeds at most."""


def rows_to_keep(
    steps: np.ndarray, curves: Sequence[np.ndarray], always: Iterable[int] = (), most: int = MOST_ROWS
) -> np.ndarray:
    """Which rows to show, so that every curve keeps its least and greatest value in each stretch of the axis.

    The stretches are equal ones of log(1 + step) and, since a reader may switch, equal ones of the step too.

    Args:
        steps: ascending, shape (rows).
        curves: each of shape (rows); NaN is never an extreme.
        always: steps to keep whatever their values.
        most: rows at most, apart from `always`.

    Returns:
        Indices of rows, ascending; all of them when they are no more than `most`.
    """
    if len(steps) <= most:
        return np.arange(len(steps))
    forced = {0, len(steps) - 1} | {i for step in always for i in np.flatnonzero(steps == step).tolist()}
    stretches = most
    while True:
        keep: set[int] = set()
        for axis in (np.log1p(steps), steps.astype(float)):
            starts = _starts(axis, stretches)
            for curve in curves:
                keep |= _extremes(curve, starts)
        if len(keep) <= most or stretches == 1:
            return np.array(sorted(keep | forced))
        stretches //= 2


def _starts(axis: np.ndarray, stretches: int) -> np.ndarray:
    span = axis[-1] - axis[0] or 1.0
    stretch = np.minimum(((axis - axis[0]) / span * stretches).astype(int), stretches - 1)
    return np.flatnonzero(np.diff(stretch, prepend=-1))


def _extremes(curve: np.ndarray, starts: np.ndarray) -> set[int]:
    found: set[int] = set()
    for worst, best in ((np.inf, np.minimum), (-np.inf, np.maximum)):
        known = np.where(np.isfinite(curve), curve, worst)
        extreme = np.repeat(best.reduceat(known, starts), np.diff(starts, append=len(curve)))
        there = np.flatnonzero(known == extreme)
        # The first of equal ones in each stretch is enough.
        _, first = np.unique(np.searchsorted(starts, there, side="right"), return_index=True)
        found |= set(there[first].tolist())
    return found


def steps_to_keep(steps: np.ndarray, most: int) -> np.ndarray:
    """At most about `most` indices of `steps`, both ends included, even along both axes that a reader may choose."""
    if len(steps) <= most:
        return np.arange(len(steps))
    half = max(most // 2, 2)
    even = [np.linspace(0, steps[-1], half), np.expm1(np.linspace(0, np.log1p(steps[-1]), half))]
    nearest = np.clip(np.searchsorted(steps, np.concatenate(even)), 0, len(steps) - 1)
    return np.unique(np.concatenate([nearest, [0, len(steps) - 1]]))
