"""When something happened in each of several runs, as far as their logs can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latebloom.errors import LatebloomError

if TYPE_CHECKING:
    import polars

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Times:
    """One event over runs: it happened in (low, high] of each run, or is censored, that is later than low.

    Attributes:
        low: the last step at which it had not yet been seen, shape (run).
        high: the step at which it was seen; infinite where the run ended before that, shape (run).
        seed: the run's seed, shape (run): the unit that is drawn anew when intervals are bootstrapped.
    """

    low: Floats
    high: Floats
    seed: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.low) == len(self.high) == len(self.seed):
            raise LatebloomError(
                f"expected a low end, a high end and a seed for each run, got {len(self.low)}, {len(self.high)} "
                f"and {len(self.seed)}"
            )
        if not np.all(self.low <= self.high):
            raise LatebloomError("expected every interval's low end at or below its high end, got one above: swap them")

    def __len__(self) -> int:
        return len(self.low)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether the event was seen before the run's end, shape (run)."""
        return np.isfinite(self.high)

    @property
    def known(self) -> Floats:
        """The step at which it was seen, or the last step looked at without seeing it, shape (run)."""
        return np.where(self.seen, self.high, self.low)

    def take(self, runs: NDArray[np.int64] | NDArray[np.bool_]) -> Times:
        """The runs at these places."""
        return Times(self.low[runs], self.high[runs], self.seed[runs])


def exact(steps: list[float], censored: list[bool] | None = None, seed: list[int] | None = None) -> Times:
    """Times without a grid: each event at its step, each censored run's last step.

    >>> exact([6, 7, 9], censored=[False, False, True]).known
    array([6., 7., 9.])
    """
    known = np.asarray(steps, dtype=np.float64)
    gone = np.zeros(len(known), dtype=bool) if censored is None else np.asarray(censored, dtype=bool)
    seeds = np.arange(len(known)) if seed is None else np.asarray(seed, dtype=np.int64)
    return Times(known, np.where(gone, np.inf, known), seeds)


def times_of(frame: polars.DataFrame, event: str) -> Times:
    """The times of an event over the rows of a study's frame; rows that know nothing of it are left out.

    Args:
        frame: one row a run, with the columns `seed`, `<event>.step`, `<event>.after` (the last evaluation before it)
            and `<event>.censored_at` (steps).
        event: "memorised", "grokked".

    Raises:
        LatebloomError: there is no such event.
    """
    if f"{event}.step" not in frame.columns:
        names = sorted(name.removesuffix(".step") for name in frame.columns if name.endswith(".step"))
        raise LatebloomError(f"expected an event among {', '.join(names) or 'none'}, got {event!r}")
    step, after, end = (_floats(frame, f"{event}.{column}") for column in ("step", "after", "censored_at"))
    known = ~(np.isnan(step) & np.isnan(end))
    low = np.where(np.isnan(step), end, np.where(np.isnan(after), step, after))
    high = np.where(np.isnan(step), np.inf, step)
    return Times(low[known], high[known], frame["seed"].to_numpy().astype(np.int64)[known])


def delay_times(frame: polars.DataFrame) -> Times:
    """Steps from memorising to grokking; of runs that memorised, the others have no beginning to count from.

    Both ends come from a grid, so that a delay of runs that did both at once may have a negative low end.
    """
    both = [f"{event}.{column}" for event in ("memorised", "grokked") for column in ("step", "censored_at")]
    lacking = [name for name in both if name not in frame.columns]
    if lacking:
        raise LatebloomError(f"expected a frame with both events, got one without {lacking[0]}")
    grokked_known = frame["grokked.step"].is_not_null() | frame["grokked.censored_at"].is_not_null()
    usable = frame.filter(frame["memorised.step"].is_not_null() & grokked_known)
    first, last = times_of(usable, "memorised"), times_of(usable, "grokked")
    return Times(last.low - first.high, last.high - first.low, last.seed)


def _floats(frame: polars.DataFrame, name: str) -> Floats:
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    return frame[name].cast(float).fill_null(float("nan")).to_numpy()
