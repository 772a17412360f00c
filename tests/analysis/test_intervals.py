"""Events that the curves of the mainline do not have, each on a made curve whose time of change is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from latebloom.analysis import Crossing, find_events
from made_curves import TRUTHS, Times, curves, log_norm, logistic, steps

STEP = steps()
Made = tuple[dict[str, np.ndarray], dict[str, float]]
"""Curves by their measures, and the times of the events."""

EASY = 0.002
"""Noise of accuracies where a rule looks at differences of 0.01."""


def accuracies(rng: np.random.Generator, noise: float = 0.01, **times: float) -> dict[str, np.ndarray]:
    """A run that memorises and generalises late, with noise."""
    clean = curves(Times(**times), STEP)
    return {
        name: np.clip(clean[name] + noise * rng.normal(size=len(STEP)), 0, 1)
        for name in ("train_accuracy", "test_accuracy")
    }


def uneven(rng: np.random.Generator, curve: np.ndarray, noise: float = 0.01) -> np.ndarray:
    """A positive curve with noise in proportion."""
    return curve * np.exp(noise * rng.normal(size=len(curve)))


def gap_closed(rng: np.random.Generator) -> Made:
    generalised = rng.uniform(4000, 12_000)
    fine = np.arange(0, STEP[-1] + 1.0)
    clean = curves(Times(generalised=generalised), fine)
    gap = clean["train_accuracy"] - clean["test_accuracy"]
    closed = fine[(gap < 0.01) & (fine > 500)][0]
    return accuracies(rng, EASY, generalised=generalised), {"gap-closed": closed}


def margin_positive(rng: np.random.Generator) -> Made:
    at = rng.uniform(3000, 12_000)
    margin = 8 * np.tanh((STEP - at) / 900) + 0.08 * rng.normal(size=len(STEP))
    return accuracies(rng) | {"test_margin_mean": margin}, {"margin-positive": at}


def hill(at: float, height: float) -> np.ndarray:
    """Greatest at a time, on the logarithmic axis."""
    return height * np.exp(-np.minimum(1.1 * np.log((1 + STEP) / (1 + at)) ** 2, 4))


def loss_peaked(rng: np.random.Generator) -> Made:
    at = rng.uniform(800, 6000)
    return accuracies(rng) | {"test_loss": uneven(rng, hill(at, 25))}, {"test-loss-peaked": at}


def logit_scale_peaked(rng: np.random.Generator) -> Made:
    at = rng.uniform(800, 6000)
    return accuracies(rng) | {"logit_scale": uneven(rng, hill(at, 40))}, {"logit-scale-peaked": at}


def raw_gini_rise(rng: np.random.Generator) -> Made:
    times = Times(start=rng.uniform(8500, 9600), end=rng.uniform(11_500, 14_000), generalised=9000)
    # as Σw² it is taken over all weights, and smoother than a loss
    gini = 0.3 * np.exp(0.5 * (8 - log_norm(times, STEP)))
    made = accuracies(rng, generalised=9000) | {"gini_raw_weights": uneven(rng, gini, 1e-4)}
    return made, {"raw-gini-rise-started": times.start, "raw-gini-rise-ended": times.end}


def spiked(rng: np.random.Generator) -> Made:
    place = int(rng.integers(120, 500))
    loss = 4.7 * np.exp(-np.minimum(STEP / 60, 17)) * np.where(np.arange(len(STEP)) == place, 400, 1)
    # between the last row before it and the row that shows it
    time = rng.uniform(STEP[place - 1], STEP[place])
    return accuracies(rng) | {"train_loss": uneven(rng, loss)}, {"train-loss-spiked": time}


def lost(rng: np.random.Generator, kept: bool) -> Made:
    generalised, at = rng.uniform(3000, 6000), rng.uniform(9000, 15_000)
    fall = logistic((STEP - at) / 150)
    clean = curves(Times(generalised=generalised), STEP)
    noise = 0.01 * rng.normal(size=(2, len(STEP)))
    # the test accuracy was 1, so that it passes the threshold of 0.5 at the time
    train = clean["train_accuracy"] * (1 if kept else 1 - fall)
    test = clean["test_accuracy"] * (1 - fall)
    made = {"train_accuracy": np.clip(train + noise[0], 0, 1), "test_accuracy": np.clip(test + noise[1], 0, 1)}
    return made, {"anti-grokked" if kept else "collapsed": at}


def curvature_drop(rng: np.random.Generator) -> Made:
    at, level = rng.uniform(13_000, 17_000), rng.uniform(0.6, 0.95)
    cosine = level * (1 - 0.9 * logistic((STEP - at) / 120 - np.log(0.8)))
    # at the time it is half of what it was: 0.9·σ(−log 0.8) = 0.5
    noise = 0.01 * rng.normal(size=len(STEP))
    return accuracies(rng, generalised=6000) | {"alignment": cosine + noise}, {"post-grok-curvature-drop": at}


def transitions(rng: np.random.Generator) -> Made:
    levels = np.cumsum([rng.uniform(0.02, 0.08), *rng.uniform(0.2, 0.3, 3)])
    times = np.array([1500, 4000, 11_000]) * rng.uniform(0.85, 1.15, 3)
    test = levels[0] + sum(
        (after - before) * logistic((STEP - at) / (0.02 * at))
        for before, after, at in zip(levels, levels[1:], times, strict=False)
    )
    # the rule begins at memorising, which noise of 0.01 hides now and then until the first plateau is over
    made = accuracies(rng, EASY)
    made["test_accuracy"] = np.clip(test + 0.005 * rng.normal(size=len(STEP)), 0, 1)
    return made, {f"transition-{n}": at for n, at in enumerate(times, start=1)}


CASES: dict[str, Callable[[np.random.Generator], Made]] = {
    "gap-closed": gap_closed,
    "margin-positive": margin_positive,
    "test-loss-peaked": loss_peaked,
    "logit-scale-peaked": logit_scale_peaked,
    "raw-gini-rise": raw_gini_rise,
    "train-loss-spiked": spiked,
    "anti-grokked": lambda rng: lost(rng, kept=True),
    "collapsed": lambda rng: lost(rng, kept=False),
    "post-grok-curvature-drop": curvature_drop,
    "transitions": transitions,
}


def found_in(made: dict[str, np.ndarray]) -> dict[str, Crossing]:
    """The events of curves by name."""
    return {event.name: event.found for event in find_events(pl.DataFrame({"step": STEP.astype(int), **made}))}


def shares(name: str, draws: int) -> dict[str, float]:
    """In which share of the draws each event lies within its interval."""
    rng, inside = np.random.default_rng(7), {}
    for _ in range(draws):
        made, times = CASES[name](rng)
        events = found_in(made)
        for event, at in times.items():
            interval = events[event].interval if event in events else None
            inside[event] = inside.get(event, 0) + (interval is not None and interval[0] <= at <= interval[1])
    return {event: count / draws for event, count in inside.items()}


def test_every_event_that_is_looked_for_has_a_made_curve():
    seen, known = set(found_in(curves(Times(), STEP))), set(TRUTHS)
    for case in CASES.values():
        made, times = case(np.random.default_rng(0))
        seen |= found_in(made).keys()
        known |= times.keys()
    assert seen == known


@pytest.mark.parametrize("draws", [40, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CASES)
def test_every_other_event_lies_in_its_interval_in_95_of_100_noisy_draws(name, draws):
    found = shares(name, draws)
    assert found
    assert {event: share for event, share in found.items() if share < 0.95} == {}
