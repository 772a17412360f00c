"""Curves of a run with known times of change: what the mainline looks like, without the noise of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Times:
    """When what happens; in steps."""

    memorised: float = 140.0
    formation: float = 1300.0
    solved: float = 9300.0
    generalised: float = 10_000.0
    start: float = 9400.0
    end: float = 13_000.0


TRUTHS = {
    "memorised": "memorised",
    "generalised": "generalised",
    "grokked": "generalised",
    "circuit-formation-started": "formation",
    "circuit-formation-ended": "solved",
    "cleanup-started": "start",
    "cleanup-ended": "end",
    "norm-fall-started": "start",
    "norm-fall-ended": "end",
}
"""Events, and the field of `Times` that says when each comes."""


def steps(last: int = 20_000, every: int = 40) -> np.ndarray:
    """Dense at first, as the log is."""
    dense = np.unique(np.geomspace(1, 800, 90).round())
    return np.concatenate([[0], dense[dense < 800], np.arange(800, last + 1, every)])


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))


def curves(times: Times, step: np.ndarray) -> dict[str, np.ndarray]:
    """Clean curves; each threshold is crossed at its time exactly."""
    train = logistic((step - times.memorised) / 12 + np.log(0.99 / 0.01))
    test = 0.01 + 0.99 * logistic((step - times.generalised) / 180 + np.log(0.94 / 0.05))
    # a valley on the logarithmic axis, least at the time of formation
    away = np.log((1 + step) / (1 + times.formation))
    excluded = 0.3 * np.exp(np.minimum(0.9 * away**2, 3.5))
    restricted = 0.01 * np.exp(np.clip((times.solved - step) / 1300, -12, 6.1))
    return {
        "train_accuracy": train,
        "test_accuracy": test,
        "train_loss": 4.7 * np.exp(-np.minimum(step / 60, 17)),
        "test_loss": 4.7 + 20 * logistic((step - 400) / 80) - 24.5 * logistic((step - times.generalised) / 200),
        "excluded_loss_all_frequencies": excluded,
        "restricted_loss_all": restricted,
        "weight_norm_sq": np.exp(log_norm(times, step)),
    }


SLOW, FAST, BEGIN, DECAY = 3e-5, 3e-4, 0.4, 10.0


def log_norm(times: Times, step: np.ndarray) -> np.ndarray:
    """Falls slowly; its rate rises linearly to the greatest one and then dies away exponentially.

    The ramp passes half of the greatest rate at `start`; the decay passes a tenth of it at `end`.
    """
    fine = np.arange(0, step[-1] + 1.0)
    span = (times.end - times.start) / 4
    # the peak lies as far behind `start` as half of the ramp
    peak = times.start + span / 2
    ramp = np.clip((fine - (times.start - span / 2)) / span, SLOW / FAST, 1) * FAST
    tail = FAST * np.exp(-np.log(DECAY) * (fine - peak) / (times.end - peak))
    rate = np.where(fine <= peak, ramp, tail)
    fall = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
    return 8.0 - np.interp(step, fine, fall)


def frame(
    step: np.ndarray, clean: dict[str, np.ndarray], rng: np.random.Generator | None, noise: float
) -> pl.DataFrame:
    """Accuracies with additive noise, the others with relative noise, Σw² with a hundredth of it: it is a sum."""
    noisy = {}
    for name, curve in clean.items():
        drawn = np.zeros(len(step)) if rng is None else noise * rng.normal(size=len(step))
        if name.endswith("accuracy"):
            noisy[name] = np.clip(curve + drawn, 0, 1)
        elif name == "weight_norm_sq":
            noisy[name] = curve * np.exp(drawn / 100)
        else:
            noisy[name] = curve * np.exp(drawn)
    return pl.DataFrame({"step": step.astype(int), **noisy})
