"""Alarms: a measure passes a threshold, and generalising is said to follow. The threshold is judged on other runs.

An alarm sounds at the last of `LASTING` rows beyond the threshold, since it is not known sooner, and only after
memorising and before generalising: what a measure does afterwards foretells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latebloom.analysis.prediction import Watched
from latebloom.analysis.statistics.bootstrap import DRAWS, interval
from latebloom.analysis.statistics.survival import Median, median
from latebloom.analysis.statistics.times import Times
from latebloom.errors import LatebloomError

LASTING = 2
"""Rows in a row beyond the threshold, so that a spike of one row is no alarm."""

CANDIDATES = 64
"""Thresholds tried at most in each direction, at quantiles of what the runs reach."""


@dataclass(frozen=True)
class Alarm:
    """A threshold of a measure.

    Attributes:
        measure: a column of the log, or "step".
        threshold: in the measure's units.
        above: whether it sounds at or above the threshold; else at or below.
    """

    measure: str
    threshold: float
    above: bool

    def sounds(self, run: Watched) -> float:
        """The step at which it sounds in a run; infinite where it does not."""
        steps, reached = _reached(run, self.measure, self.above)
        return _first(steps, reached, self.threshold if self.above else -self.threshold)


@dataclass(frozen=True)
class Judged:
    """What alarms did in runs that had no part in choosing their thresholds.

    Attributes:
        alarms: one for each setting left out, None where the others could not choose one.
        came: runs that generalised after memorising.
        hits: of these, the alarm sounded before.
        stayed: runs that had not generalised when they ended.
        false: of these, the alarm sounded.
        lead: steps from the alarm to generalising, Kaplan–Meier median over all runs with an alarm; false ones are
            censored at their end.
        relative: lead over the steps from memorising to generalising, median of the hits; NaN without hits.
        youden: share of hits less share of false alarms: 0 where the alarm tells nothing.
        youden_low: lower end of its percentile interval over seeds drawn anew, with the thresholds as they are.
        youden_high: its upper end.
    """

    alarms: tuple[Alarm | None, ...]
    came: int
    hits: int
    stayed: int
    false: int
    lead: Median
    relative: float
    youden: float
    youden_low: float
    youden_high: float


def choose(runs: Sequence[Watched], measure: str) -> Alarm:
    """The threshold and direction with the most hits less false alarms (as shares: Youden's J) among these runs.

    Of equally good ones the one with the longest median lead over the hits.

    Raises:
        LatebloomError: of the runs that have memorised, all or none generalise.
    """
    runs = _memorised(runs)
    came = np.array([not run.censored for run in runs], dtype=bool)
    if came.all() or not came.any():
        raise LatebloomError(
            f"expected runs that generalise and runs that do not, got {int(came.sum())} of {len(runs)} that do: "
            "a threshold cannot be chosen"
        )
    best: tuple[float, float, Alarm] | None = None
    ends = np.array([run.last for run in runs])
    for above in (True, False):
        curves = [_reached(run, measure, above) for run in runs]
        values = np.concatenate([reached for _, reached in curves])
        if not len(values):
            continue
        for threshold in np.unique(np.quantile(values, np.linspace(0, 1, CANDIDATES), method="inverted_cdf")):
            sounded = np.array([_first(steps, reached, threshold) for steps, reached in curves])
            heard = np.isfinite(sounded)
            youden = float(heard[came].mean() - heard[~came].mean())
            hits = came & heard
            lead = float(np.median((ends - sounded)[hits])) if hits.any() else 0.0
            if best is None or (youden, lead) > best[:2]:
                best = (youden, lead, Alarm(measure, float(threshold if above else -threshold), above))
    if best is None:
        raise LatebloomError(f"expected {LASTING} rows of {measure} between memorising and generalising, got none")
    return best[2]


def judged(runs: Sequence[Watched], measure: str) -> Judged:
    """Chooses a threshold on all settings but one and judges it on that one, for each setting.

    Settings of which the others all generalise, or none, have no threshold and are left out.

    Raises:
        LatebloomError: there is one setting, or no setting could be judged.
    """
    runs = _memorised(runs)
    groups = sorted({run.group for run in runs})
    if len(groups) < 2:
        raise LatebloomError(f"expected two settings or more to leave one out, got {len(groups)}")
    alarms: list[Alarm | None] = []
    told: list[tuple[Watched, float]] = []
    for group in groups:
        try:
            alarm = choose([run for run in runs if run.group != group], measure)
        except LatebloomError:
            alarms.append(None)
            continue
        alarms.append(alarm)
        told += [(run, alarm.sounds(run)) for run in runs if run.group == group]
    if not told:
        raise LatebloomError(f"expected settings from which a threshold of {measure} can be chosen, got none")
    return _count(tuple(alarms), told)


def _count(alarms: tuple[Alarm | None, ...], told: list[tuple[Watched, float]]) -> Judged:
    heard = [(run, at) for run, at in told if math.isfinite(at)]
    low, high = (np.array([getattr(run, end) - at for run, at in heard]) for end in ("before", "generalised"))
    leads = Times(np.maximum(low, 0.0), high, np.array([run.seed for run, _ in heard], dtype=np.int64))
    hits = [(run, at) for run, at in heard if not run.censored]
    relative = [(run.generalised - at) / (run.generalised - run.memorised) for run, at in hits]
    return Judged(
        alarms,
        came=sum(not run.censored for run, _ in told),
        hits=len(hits),
        stayed=sum(run.censored for run, _ in told),
        false=len(heard) - len(hits),
        lead=median(leads),
        relative=float(np.median(relative)) if relative else math.nan,
        **_youden(told),
    )


def _youden(told: list[tuple[Watched, float]]) -> dict[str, float]:
    came = np.array([not run.censored for run, _ in told], dtype=np.float64)
    heard = np.array([math.isfinite(at) for _, at in told], dtype=np.float64)
    seeds, place = np.unique([run.seed for run, _ in told], return_inverse=True)
    chosen = np.random.default_rng(0).multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), size=DRAWS)
    weight = np.vstack([np.ones(len(told)), chosen[:, place]])
    with np.errstate(invalid="ignore"):
        youden = weight @ (came * heard) / (weight @ came) - weight @ ((1 - came) * heard) / (weight @ (1 - came))
    low, high = interval(youden[1:], 0.95)
    return {"youden": float(youden[0]), "youden_low": low, "youden_high": high}


def _memorised(runs: Sequence[Watched]) -> list[Watched]:
    """The runs that memorise and had not generalised by then."""
    return [run for run in runs if run.memorised < run.last]


def _reached(run: Watched, measure: str, above: bool) -> tuple[np.ndarray, np.ndarray]:
    """Steps since memorising, and the greatest value that has lasted until each (of −measure for below)."""
    steps, values = run.until(measure, math.inf)
    since = steps >= run.memorised
    steps, values = steps[since], values[since] if above else -values[since]
    if len(values) < LASTING:
        return np.empty(0), np.empty(0)
    lasted = np.lib.stride_tricks.sliding_window_view(values, LASTING).min(axis=1)
    return steps[LASTING - 1 :], np.maximum.accumulate(lasted)


def _first(steps: np.ndarray, reached: np.ndarray, threshold: float) -> float:
    place = int(np.searchsorted(reached, threshold))
    return float(steps[place]) if place < len(steps) else math.inf
