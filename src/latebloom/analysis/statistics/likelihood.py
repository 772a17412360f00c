"""The likelihood of log T = a + b·log x + σ·ε for steps that are known, lie in an interval, or are censored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import log_ndtr

from latebloom.analysis.statistics.times import Floats, Times

Law = Literal["log-normal", "weibull"]
"""ε is normal, or has the smallest-extreme-value distribution, P(ε > z) = exp(−eᶻ)."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What a fit reads.

    Attributes:
        low: log of the low ends, −∞ for step 0, shape (run).
        high: log of the high ends, +∞ when censored.
        design: a column of ones and a column for each logarithm, shape (run, coefficient).
    """

    low: Floats
    high: Floats
    design: Floats


def sample_of(times: Times, columns: Floats) -> Sample:
    """The logarithms of the times beside the design matrix of `columns`, shape (run, variable)."""
    with np.errstate(divide="ignore"):
        low, high = np.log(np.maximum(times.low, 0.0)), np.log(times.high)
    return Sample(low, high, np.column_stack([np.ones(len(times)), columns]))


def log_likelihood(theta: Floats, sample: Sample, law: Law) -> float:
    """Σ over runs of log P(low < log T ≤ high); of the density of T where both ends are one step.

    Args:
        theta: a and b as the design has columns, then log σ.
        sample: the runs.
        law: the distribution of ε.
    """
    mean, sigma = sample.design @ theta[:-1], np.exp(theta[-1])
    low, high = (sample.low - mean) / sigma, (sample.high - mean) / sigma
    density, mass = _LAWS[law]
    known = sample.low == sample.high
    total = density(high[known]) - theta[-1] - sample.high[known]
    return float(total.sum() + mass(low[~known], high[~known]).sum())


def _normal_density(z: Floats) -> Floats:
    return -0.5 * z**2 - 0.5 * np.log(2 * np.pi)


def _normal_mass(low: Floats, high: Floats) -> Floats:
    # in the lower tail, where the two distribution functions are not both near 1 and their difference keeps its digits
    flip = low > 0
    low, high = np.where(flip, -high, low), np.where(flip, -low, high)
    return _log_difference(log_ndtr(high), log_ndtr(low))


def _weibull_density(z: Floats) -> Floats:
    return z - np.exp(z)


def _weibull_mass(low: Floats, high: Floats) -> Floats:
    return _log_difference(-np.exp(low), -np.exp(high))


def _log_difference(more: Floats, less: Floats) -> Floats:
    """log(eᵐᵒʳᵉ − eˡᵉˢˢ), −∞ where both are equal to rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = more + np.log(-np.expm1(less - more))
    return np.where(np.isnan(found), -np.inf, found)


_LAWS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats, Floats], Floats]]] = {
    "log-normal": (_normal_density, _normal_mass),
    "weibull": (_weibull_density, _weibull_mass),
}
