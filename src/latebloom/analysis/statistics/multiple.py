"""P-values of several tests at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from latebloom.analysis.statistics.times import Floats


def holm(p: Sequence[float]) -> Floats:
    """P-values adjusted so that the chance of any false alarm stays at the level (Holm 1979); NaN stays NaN.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    return _known(p, _holm)


def benjamini_hochberg(p: Sequence[float]) -> Floats:
    """P-values adjusted so that the share of false alarms among alarms stays at the level; NaN stays NaN.

    Benjamini and Hochberg 1995, for tests that are independent or positively dependent.
    """
    return _known(p, stats.false_discovery_control)


def _holm(p: Floats) -> Floats:
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _known(p: Sequence[float], adjust: Callable[[Floats], Floats]) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    known = ~np.isnan(values)
    adjusted = np.full(len(values), np.nan)
    if known.any():
        adjusted[known] = adjust(values[known])
    return adjusted
