"""Slingshots: sudden rises of the training loss, and whether the last layer's norm grew before them.

Thilak et al. 2022 (arXiv 2206.04817) describe cycles under adaptive optimisers: the last layer's norm grows, the loss
spikes, the norm comes to rest. They show curves and give no rule; the rule here is ours, and every finding says it.
Whether slingshots matter is disputed: they were thought to be needed for grokking without decay, and vanish with the
full batch or float64 (Nanda et al. 2023; Prieto et al. 2025, arXiv 2501.04697; 2605.06152).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from latebloom.errors import LatebloomError
from latebloom.store import Run

FACTOR = 100.0
"""By how much the loss must rise: less is met by slow waves of the loss (a factor 40 over 400 steps was seen)."""

OTHER_FACTORS = (10.0, 1000.0)

WINDOW = 10
"""Log rows before a spike, over which its base and the last layer's growth are taken."""

GROWTH = 1.01
"""The last layer's norm has grown if it is 1 % greater at a spike's start than `WINDOW` rows before."""


@dataclass(frozen=True)
class Spike:
    """One sudden rise of the training loss.

    Attributes:
        start: the last step before it.
        peak: the step of the greatest loss.
        end: the first step after the peak at which the loss is down by the rule's factor again; None when that was not
            seen until the last step.
        base: the least loss of the rows before it.
        height: the greatest loss.
        factor: height / base; infinite where the base is 0.
        norm_growth: the last layer's norm at `start` over that at the first of the rows before it; None where unknown.
        norm_rose: whether that is a growth; then the spike fits the slingshot. None where unknown.
    """

    start: int
    peak: int
    end: int | None
    base: float
    height: float
    factor: float
    norm_growth: float | None = None
    norm_rose: bool | None = None


@dataclass(frozen=True)
class Slingshots:
    """What was found of spikes and slingshots in one run.

    Attributes:
        spikes: all spikes, in order.
        rule: the rule in words.
        sensitivity: how many spikes there are with other factors.
        last: the last step looked at; what comes later is not known.
        reason: why there is none, or what could not be looked at.
    """

    spikes: tuple[Spike, ...]
    rule: str
    sensitivity: dict[float, int] = field(default_factory=dict)
    last: int = 0
    reason: str = ""

    @property
    def slingshots(self) -> tuple[Spike, ...]:
        """The spikes before which the last layer's norm grew."""
        return tuple(spike for spike in self.spikes if spike.norm_rose)

    def to_json(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


class Places(NamedTuple):
    """Where a spike stands: the first place of its base, its start, peak and end (None: not seen)."""

    first: int
    start: int
    peak: int
    end: int | None


class Spikes:
    """Sudden rises of a loss that is fed row by row.

    A spike begins where the loss is more than `factor` times the least of the `WINDOW` rows before it (of those after
    the last spike's end), and ends after its peak where the loss is down by `factor`. Rows whose loss is NaN are passed
    over; an infinite loss is a rise.

    Args:
        factor: greater than 1.
    """

    def __init__(self, factor: float = FACTOR) -> None:
        self.factor = factor
        self._ended: list[Places] = []
        self._before: deque[tuple[int, float]] = deque(maxlen=WINDOW)
        self._peak: tuple[int, float] | None = None

    def add(self, place: int, loss: float) -> None:
        """The loss at a place: a step, or the number of a row."""
        if math.isnan(loss):
            return
        if self._peak is not None:
            if loss > self._peak[1]:
                self._peak = (place, loss)
            elif loss * self.factor <= self._peak[1]:
                self._ended.append(self._spike(place))
                self._before.clear()
                self._before.append((place, loss))
                self._peak = None
        elif self._before and loss > self.factor * min(value for _, value in self._before):
            self._peak = (place, loss)
        else:
            self._before.append((place, loss))

    def _spike(self, end: int | None) -> Places:
        assert self._peak is not None  # asked for only in a spike
        return Places(self._before[0][0], self._before[-1][0], self._peak[0], end)

    @property
    def found(self) -> list[Places]:
        """All spikes so far, the one under way among them."""
        return self._ended if self._peak is None else [*self._ended, self._spike(None)]


def find_spikes(steps: Sequence[int], losses: Sequence[float], factor: float = FACTOR) -> list[Places]:
    """Sudden rises of a loss, as `Spikes` finds them, by the numbers of the log rows.

    Args:
        steps: of the log rows, ascending.
        losses: of the same rows, at least 0.
        factor: greater than 1.

    Raises:
        LatebloomError: the two differ in length, or the factor is not greater than 1.
    """
    if len(steps) != len(losses):
        raise LatebloomError(f"expected one loss for each step, got {len(losses)} losses and {len(steps)} steps")
    if not factor > 1:
        raise LatebloomError(f"expected a factor greater than 1, got {factor}: use 10, 100 or 1000")
    spikes = Spikes(factor)
    for place, loss in enumerate(losses):
        spikes.add(place, loss)
    return spikes.found


def find_slingshots(
    steps: Sequence[int], losses: Sequence[float], last_norm: Sequence[float] | None = None, factor: float = FACTOR
) -> Slingshots:
    """The spikes of a training loss, and whether the last layer's norm grew before each.

    Args:
        steps: of the log rows, ascending.
        losses: the training loss at them.
        last_norm: the norm of the last layer's weights at them (not squared); None where it is not known.
        factor: by how much the loss must rise, greater than 1.

    Raises:
        LatebloomError: lengths differ, or the factor is not greater than 1.
    """
    if last_norm is not None and len(last_norm) != len(steps):
        raise LatebloomError(f"expected one norm for each step, got {len(last_norm)} norms and {len(steps)} steps")
    places = find_spikes(steps, losses, factor)
    spikes = tuple(_spike(steps, losses, last_norm, place) for place in places)
    rule = (
        f"train_loss > {factor:g} × its least value in the {WINDOW} log rows before; the last layer's norm rose if it "
        f"grew by more than {GROWTH - 1:.0%} over these rows"
    )
    counts = {other: len(find_spikes(steps, losses, other)) for other in OTHER_FACTORS if other != factor}
    if not len(steps):
        return Slingshots(spikes, rule, counts, 0, "nothing was logged")
    if not spikes:
        why = f"no spike up to step {steps[-1]}: {rule.split(';')[0]} was never met; what comes later is not known"
    else:
        why = "" if last_norm is not None else "the last layer's norm was not logged: spikes cannot be told apart"
    return Slingshots(spikes, rule, counts, int(steps[-1]), why)


def _spike(steps: Sequence[int], losses: Sequence[float], last_norm: Sequence[float] | None, places: Places) -> Spike:
    first, start, peak, end = places
    base = min(loss for loss in losses[first : start + 1] if not math.isnan(loss))
    growth = None
    if last_norm is not None and last_norm[first] > 0 and math.isfinite(last_norm[start]):
        growth = float(last_norm[start] / last_norm[first])
    return Spike(
        int(steps[start]),
        int(steps[peak]),
        None if end is None else int(steps[end]),
        float(base),
        float(losses[peak]),
        float(losses[peak] / base) if base else math.inf,
        growth,
        None if growth is None else growth > GROWTH,
    )


def slingshots(run: Run, factor: float = FACTOR) -> Slingshots:
    """The spikes and slingshots of a stored run, under way or finished.

    The last layer is `unembed.W_U`, or `embed.W_E` where the two are tied.

    Raises:
        LatebloomError: the training loss was not logged, or the run cannot be read.
    """
    scalars = run.scalars
    if "train_loss" not in scalars.columns:
        raise LatebloomError(f"{run.folder}: expected train_loss in its log, got {', '.join(scalars.columns)}")
    rows = scalars.select("step", "train_loss").drop_nulls()
    steps = rows["step"].to_list()
    norms = None
    arrays = run.arrays
    if "weight_norm_sq_by_tensor" in arrays:
        squares = arrays["weight_norm_sq_by_tensor"]
        names = [str(name) for name in squares["tensor"].values]
        last = next((name for name in ("unembed.W_U", "embed.W_E") if name in names), None)
        if last is not None:
            norms = np.sqrt(squares.sel(tensor=last).reindex(step=steps).values).tolist()
    return find_slingshots(steps, rows["train_loss"].to_list(), norms, factor)
