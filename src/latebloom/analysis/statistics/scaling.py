"""How the time to memorise or to grok scales: a power law T ∝ x^b fitted with a censored likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from latebloom.analysis.statistics.likelihood import Law, Sample, log_likelihood, sample_of
from latebloom.analysis.statistics.times import Floats, Times

FLAT = 1e-3
"""Gradient of the log-likelihood that counts as none: with it the likelihood is right to about 1e-6."""


@dataclass(frozen=True)
class Estimate:
    """A parameter with its standard error (from the Hessian) and profile interval; an end is None when it is open."""

    value: float
    error: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ScalingFit:
    """log T = a + Σ b·log x + σ·ε, an accelerated failure time model.

    Attributes:
        law: the distribution of ε.
        exponents: b of each variable.
        middle: T at the geometric mean of the variables (the median for log-normal, the 63 % point for Weibull).
        at: that geometric mean, by variable.
        sigma: the spread of log T at fixed x.
        log_likelihood: at the maximum.
        aic: 2·(number of parameters) − 2·log-likelihood; the smaller law fits better.
        bend: p of the likelihood-ratio test that a term (log x)² is 0, when there is one variable with three values
            or more: small where the points do not lie on a line; None when not tested.
        level: of the intervals.
        runs: runs fitted.
        seen: those in which the event was seen.
        reason: why there is no fit, or which runs are left out.
    """

    law: Law
    exponents: dict[str, Estimate]
    middle: Estimate | None
    at: dict[str, float]
    sigma: Estimate | None
    log_likelihood: float | None
    aic: float | None
    bend: float | None
    level: float
    runs: int
    seen: int
    reason: str = ""

    def predict(self, x: Mapping[str, Floats]) -> Floats:
        """T at other values of the variables."""
        if self.middle is None:
            return np.full(len(next(iter(x.values()))), np.nan)
        powers = sum(self.exponents[name].value * np.log(np.asarray(x[name]) / self.at[name]) for name in self.at)
        return self.middle.value * np.exp(powers)


def fit_power_law(times: Times, x: Mapping[str, Floats], law: Law = "log-normal", level: float = 0.95) -> ScalingFit:
    """Fits T ∝ Π x^b; runs that ended before the event count by the probability that it comes later.

    Runs count as independent. Where every seed has a run at every x, what a seed does to all its runs is common to
    all x: it goes into σ, and the intervals of the exponents are then too wide rather than too narrow.

    Args:
        times: the event in each run.
        x: values of each variable, shape (run); runs with a value that is not positive are left out.
        law: the distribution of ε.
        level: of the intervals.
    """
    values = {name: np.asarray(column, dtype=np.float64) for name, column in x.items()}
    usable = np.all([column > 0 for column in values.values()], axis=0) & (times.high > 0)
    kept, values = times.take(usable), {name: column[usable] for name, column in values.items()}
    left_out = int((~usable).sum())
    reason = f"{left_out} runs are left out: a power law has no place for x or T of 0" if left_out else ""
    why = _why_not(kept, values)
    if why:
        runs, seen = len(kept), int(kept.seen.sum())
        return ScalingFit(law, {}, None, {}, None, None, None, None, level, runs, seen, why)
    logs = {name: np.log(column) for name, column in values.items()}
    centre = {name: float(column.mean()) for name, column in logs.items()}
    columns = np.column_stack([column - centre[name] for name, column in logs.items()])
    sample = sample_of(kept, columns)
    theta, best = _maximum(_start(sample), sample, law)
    errors = _errors(theta, sample, law)
    found = [_estimate(i, theta, best, float(errors[i]), sample, law, level) for i in range(len(theta))]
    return ScalingFit(
        law,
        dict(zip(values, found[1:-1], strict=True)),
        _exponentiated(found[0]),
        {name: float(np.exp(value)) for name, value in centre.items()},
        _exponentiated(found[-1]),
        best,
        2 * len(theta) - 2 * best,
        _bend(columns, kept, theta, best, law),
        level,
        len(kept),
        int(kept.seen.sum()),
        reason,
    )


def _why_not(times: Times, values: Mapping[str, Floats]) -> str:
    seen = times.seen
    if seen.sum() < len(values) + 2:
        return f"the event was seen in {int(seen.sum())} runs, and a fit needs {len(values) + 2}"
    for name, column in values.items():
        if len(np.unique(column[seen])) < 2:
            return f"the event was seen at one value of {name} only"
    design = np.column_stack([np.ones(len(times)), *(np.log(column) for column in values.values())])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return "the variables change together, so that their exponents cannot be told apart"
    if len(np.unique(times.known[seen])) < 2:
        return "all events are at one step"
    return ""


def _start(sample: Sample) -> Floats:
    """Least squares through the known ends."""
    known = np.where(np.isfinite(sample.high), sample.high, sample.low)
    known = np.where(np.isfinite(known), known, 0.0)
    slope, *_ = np.linalg.lstsq(sample.design, known, rcond=None)
    spread = max(float(np.std(known - sample.design @ slope)), 0.05)
    return np.array([*slope, np.log(spread)], dtype=np.float64)


def _maximum(start: Floats, sample: Sample, law: Law, fixed: tuple[int, float] | None = None) -> tuple[Floats, float]:
    """The parameters of the largest likelihood, one of them held where `fixed` says."""
    free = np.ones(len(start), dtype=bool)
    if fixed is not None:
        free[fixed[0]] = False
        start = start.copy()
        start[fixed[0]] = fixed[1]

    def cost(part: Floats) -> float:
        theta = start.copy()
        theta[free] = part
        # finite for the line search, where a run's probability vanishes to rounding
        return -max(log_likelihood(theta, sample, law), -1e10)

    with np.errstate(over="ignore", invalid="ignore"):
        found = optimize.minimize(cost, start[free], method="BFGS")
        if not np.abs(found.jac).max() < FLAT:
            simplex = optimize.minimize(cost, start[free], method="Nelder-Mead")
            found = optimize.minimize(cost, simplex.x, method="BFGS")
    theta = start.copy()
    theta[free] = found.x
    return theta, -float(found.fun)


def _errors(theta: Floats, sample: Sample, law: Law) -> Floats:
    """Standard errors from the inverse of the negative Hessian, by differences; NaN where it is not definite."""
    size, step = len(theta), 1e-4
    shifts = np.eye(size) * step

    def at(shift: Floats) -> float:
        return log_likelihood(theta + shift, sample, law)

    hessian = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            plus = at(shifts[i] + shifts[j]) - at(shifts[i] - shifts[j])
            minus = at(shifts[j] - shifts[i]) - at(-shifts[i] - shifts[j])
            hessian[i, j] = (plus - minus) / (4 * step**2)
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(-hessian).min() <= 0:
        return np.full(size, np.nan)
    return np.sqrt(np.diag(np.linalg.inv(-hessian)))


def _estimate(index: int, theta: Floats, best: float, error: float, sample: Sample, law: Law, level: float) -> Estimate:
    """A parameter with the interval in which the profile likelihood has not fallen by χ²/2."""
    drop = float(stats.chi2.ppf(level, 1)) / 2

    def above(value: float) -> float:
        return _maximum(theta, sample, law, (index, value))[1] - best + drop

    step = error if np.isfinite(error) and error > 0 else 0.1
    low, high = (_crossing(above, float(theta[index]), sign * step) for sign in (-1, 1))
    return Estimate(float(theta[index]), float(error) if np.isfinite(error) else None, low, high)


def _crossing(above: Callable[[float], float], start: float, step: float) -> float | None:
    """Where a profile falls below its level, going out from its maximum; None when it does not within 40 errors."""
    inner, outer = start, start + 1.5 * step
    while above(outer) > 0:
        inner, outer = outer, start + 1.6 * (outer - start)
        if abs(outer - start) > 40 * abs(step):
            return None
    return optimize.root_scalar(above, bracket=(inner, outer), method="brentq", xtol=1e-4 * abs(step)).root


def _exponentiated(found: Estimate) -> Estimate:
    """A parameter that was fitted as its logarithm; the error by the delta method."""
    value = float(np.exp(found.value))
    low, high = (None if end is None else float(np.exp(end)) for end in (found.low, found.high))
    return Estimate(value, None if found.error is None else found.error * value, low, high)


def _bend(columns: Floats, times: Times, theta: Floats, best: float, law: Law) -> float | None:
    if columns.shape[1] != 1 or len(np.unique(columns[times.seen])) < 3:
        return None
    bent = sample_of(times, np.column_stack([columns, columns**2]))
    _, better = _maximum(np.insert(theta, 2, 0.0), bent, law)
    return float(stats.chi2.sf(max(2 * (better - best), 0.0), 1))
