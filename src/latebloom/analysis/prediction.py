"""Does a measure, taken before a run generalises, foretell whether and when it will?

Only what had been logged by a moment is read, only runs that have not generalised by then are judged, and censored runs
stay in. What comes out are pairs of runs: `statistics.discrimination` says how many of them a measure puts in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from latebloom.analysis.statistics.discrimination import Bools, Pairs, by_outcome, by_time
from latebloom.analysis.statistics.times import Floats, Times, times_of
from latebloom.errors import LatebloomError

if TYPE_CHECKING:
    import polars as pl

BASELINES = ("step", "train_loss", "test_loss", "test_accuracy", "weight_norm_sq")
"""What a predictor has to beat: the step reached, losses (nats), test accuracy and Σw² at the same moment."""

FEWEST = 3
"""Rows that a slope needs."""


@dataclass(frozen=True, eq=False)
class Watched:
    """A run: what its log shows, and what became of it.

    Attributes:
        name: the run's.
        group: its setting, by number.
        seed: its seed.
        memorised: the step at which it had memorised; infinite where it has not.
        before: the last evaluation at which it had not generalised, or the last of all.
        generalised: the step at which it had; infinite where it is censored at `before`.
        steps: of the log rows, ascending, shape (row).
        measures: by name, NaN in rows without it, shape (row).
    """

    name: str
    group: int
    seed: int
    memorised: float
    before: float
    generalised: float
    steps: Floats
    measures: dict[str, Floats]

    @property
    def censored(self) -> bool:
        """Whether it had not generalised when its training ended."""
        return math.isinf(self.generalised)

    @property
    def last(self) -> float:
        """The step at which it had generalised, or the last without."""
        return self.before if self.censored else self.generalised

    def until(self, measure: str, moment: float) -> tuple[Floats, Floats]:
        """Rows of a measure up to a moment and before generalising: what a forecast may know, shape (known row)."""
        values = self.steps if measure == "step" else self.measures.get(measure, np.full(len(self.steps), math.nan))
        kept = (self.steps <= moment) & (self.steps < self.generalised) & ~np.isnan(values)
        return self.steps[kept], values[kept]


@dataclass(frozen=True)
class Moment:
    """When a forecast is made: steps after memorising, or a share of the budget."""

    at: float
    of: Literal["after", "share"] = "after"

    def step(self, run: Watched, budget: float) -> float:
        """The step of a run; infinite in one that has not memorised."""
        return run.memorised + self.at if self.of == "after" else self.at * budget


@dataclass(frozen=True)
class Predictor:
    """A number taken from a measure's curve up to a moment.

    Attributes:
        measure: a column of the log, or "step".
        rule: its last value, or the slope of the least-squares line (units per step) through its last `window` steps.
        window: in steps.
    """

    measure: str
    rule: Literal["value", "slope"] = "value"
    window: float = math.inf

    def read(self, run: Watched, moment: float) -> float:
        """The number at a moment; NaN where the log does not give it. Later rows cannot change it."""
        if self.measure == "step" and self.rule == "value":
            return moment
        steps, values = run.until(self.measure, moment)
        if self.rule == "value":
            return float(values[-1]) if len(values) else math.nan
        kept = steps > moment - self.window
        steps, values = steps[kept], values[kept]
        if len(steps) < FEWEST:
            return math.nan
        away = steps - steps.mean()
        return float(away @ values / (away @ away))


@dataclass(frozen=True, eq=False)
class Forecast:
    """What a predictor told at a moment of the runs that had not generalised by then.

    Attributes:
        number: what was read, shape (run); NaN where it was not logged by then.
        came: whether they generalised within the budget, shape (run).
        open: whether they ended before the budget without generalising: no AUROC reads them, but C does, shape (run).
        left: steps from the moment to generalising, censored where training ended before, shape (run).
        group: their settings, shape (run).
        gone: runs left out because they had generalised by then.
        early: runs left out because they had not memorised, or ended before the moment.
    """

    number: Floats
    came: Bools
    open: Bools
    left: Times
    group: NDArray[np.int64]
    gone: int
    early: int

    @property
    def whether(self) -> Pairs:
        """Pairs of a run that generalises within the budget and one that does not; their share is the AUROC.

        Raises:
            LatebloomError: all or none do.
        """
        return by_outcome(np.where(self.open, np.nan, self.number), self.came, self.left.seed, self.group)

    @property
    def when(self) -> Pairs:
        """Pairs of which one is known to have fewer steps left; their share is Harrell's C."""
        return by_time(self.number, self.left, self.group)


def forecast(runs: Sequence[Watched], predictor: Predictor, moment: Moment, budget: float) -> Forecast:
    """Judges a predictor by the runs that have not generalised at a moment.

    Args:
        runs: of one study; the settings are their groups.
        predictor: what is read.
        moment: when.
        budget: steps; generalising within them is the event of the AUROC. C reads all steps that were trained.

    Raises:
        LatebloomError: no run has the measure.
    """
    if predictor.measure != "step" and not any(predictor.measure in run.measures for run in runs):
        names = sorted({name for run in runs for name in run.measures})
        raise LatebloomError(f"expected a measure among {', '.join(names)}, got {predictor.measure!r}")
    return score(runs, predictor.read, moment, budget)


def score(runs: Sequence[Watched], read: Callable[[Watched, float], float], moment: Moment, budget: float) -> Forecast:
    """As `forecast`, for any number of a run and a step; that it reads nothing later is its caller's to answer for."""
    steps = {run.name: moment.step(run, budget) for run in runs}
    started = [run for run in runs if math.isfinite(steps[run.name])]
    started = [run for run in started if not run.censored or steps[run.name] <= run.before]
    risk = [run for run in started if steps[run.name] < run.generalised]
    ends = [(steps[run.name], run.before, run.generalised) for run in risk]
    at, low, high = np.array(ends, dtype=np.float64).reshape(-1, 3).T
    return Forecast(
        number=np.array([read(run, steps[run.name]) for run in risk], dtype=np.float64),
        came=high <= budget,
        open=np.isinf(high) & (low < budget),
        # the last evaluation before generalising may precede the moment: time left has no negative end
        left=Times(np.maximum(low - at, 0.0), high - at, np.array([run.seed for run in risk], dtype=np.int64)),
        group=np.array([run.group for run in risk], dtype=np.int64),
        gone=len(started) - len(risk),
        early=len(runs) - len(started),
    )


def setting_alone(runs: Sequence[Watched]) -> Callable[[Watched, float], float]:
    """The most that hyperparameters tell: minus the mean step of a setting's runs, in hindsight.

    Each run's step of generalising, or its last without. A run's own outcome is in it, which flatters the baseline:
    a predictor that does not beat it over all pairs may have read off the setting. Within a setting it ties.
    """
    ends = {
        group: float(np.mean([run.last for run in runs if run.group == group])) for group in {run.group for run in runs}
    }
    return lambda run, _: -ends[run.group]


def watched(outcomes: pl.DataFrame, curves: pl.DataFrame, axes: Sequence[str]) -> list[Watched]:
    """The runs of a study.

    Args:
        outcomes: a row a run, as `analysis.outcomes` has it; its `grokked.*` is the time to generalise, late or not.
        curves: a row a run and log row: `run`, `step`, measures.
        axes: the columns of `outcomes` that make a setting.

    Raises:
        LatebloomError: a run has no curve, or nothing is known of when it generalised.
    """
    lacking = [name for name in (*axes, "grokked.step", "memorised.step") if name not in outcomes.columns]
    if lacking:
        raise LatebloomError(f"expected outcomes with {lacking[0]}, got {', '.join(outcomes.columns)}")
    parts = {str(key[0]): part.sort("step") for key, part in curves.group_by("run")}
    settings = [tuple(row[axis] for axis in axes) for row in outcomes.iter_rows(named=True)]
    numbers = {setting: i for i, setting in enumerate(dict.fromkeys(settings))}
    times = times_of(outcomes, "grokked")
    if len(times) != outcomes.height:
        raise LatebloomError(
            "expected of every run when it generalised or until when it had not, got a run with neither"
        )
    found = []
    for i, row in enumerate(outcomes.iter_rows(named=True)):
        if row["run"] not in parts:
            raise LatebloomError(f"expected a curve of every run, got none of {row['run']}")
        part = parts[row["run"]]
        names = [name for name in part.columns if name not in ("run", "step")]
        values = {name: part[name].cast(float).fill_null(math.nan).to_numpy() for name in names}
        memorised = math.inf if row["memorised.step"] is None else float(row["memorised.step"])
        ends = (float(times.low[i]), float(times.high[i]))
        steps = part["step"].cast(float).to_numpy()
        found.append(Watched(row["run"], numbers[settings[i]], int(row["seed"]), memorised, *ends, steps, values))
    return found
