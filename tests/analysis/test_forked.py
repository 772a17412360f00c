"""Comparisons of forks with twins on curves and events where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from latebloom.analysis import Crossing, Event
from latebloom.analysis.fork_effects import effects, median_of
from latebloom.analysis.forked import SUSTAINED, Comparison, Parting, parts, shift, shifts

INF = math.inf


def event(step: int | None = None, censored: int | None = None, name: str = "grokked") -> Event:
    return Event(name, name.title(), "test_accuracy", "", Crossing(0.95, step, censored_at=censored, reason="why"))


@pytest.mark.parametrize(
    ("fork", "twin", "low", "high"),
    [
        (event(300), event(200), 100, 100),
        (event(200), event(300), -100, -100),
        (event(censored=500), event(200), 300, INF),
        (event(200), event(censored=500), -INF, -300),
        (event(censored=500), event(censored=500), -INF, INF),
        (event(), event(200), -INF, INF),
        (None, event(200), -INF, INF),
    ],
)
def test_a_shift_keeps_what_censoring_hides(fork, twin, low, high):
    found = shift("grokked", "Grokked", fork, twin)
    assert (found.low, found.high) == (low, high)
    assert found.known == (abs(low) < INF or abs(high) < INF)
    assert bool(found.why) == (low != high)


def test_what_lay_before_the_fork_in_both_is_left_out():
    found = shifts([event(90), event(120, name="later")], [event(90), event(150, name="later")], 100)
    assert [one.event for one in found] == ["later"]


def curves(apart: np.ndarray, noise: float, name: str = "test_accuracy") -> tuple[pl.DataFrame, pl.DataFrame]:
    steps = np.arange(len(apart)) * 10
    draws = np.random.default_rng(0).normal(0, noise, (2, len(apart)))
    base = np.exp(-steps / 300) if name == "test_loss" else 0.2 + steps / 2000
    made = (base * (1 + draws[0]) + apart * base, base * (1 + draws[1]))
    return tuple(pl.DataFrame({"step": steps, name: values}) for values in made)  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("name", ["test_accuracy", "test_loss"])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_two_curves_part_where_they_were_made_to(name, noise):
    apart = np.where(np.arange(100) >= 40, 0.5, 0.0)
    assert parts(*curves(apart, noise, name), name) == 400


def test_noise_is_no_parting_and_a_short_spike_is_none():
    assert parts(*curves(np.zeros(200), 0.02, "test_loss"), "test_loss") is None
    spike = np.where(np.isin(np.arange(100), range(40, 40 + SUSTAINED - 1)), 0.5, 0.0)
    assert parts(*curves(spike, 0.0), "test_accuracy") is None
    spike[40 + SUSTAINED - 1] = 0.5
    assert parts(*curves(spike, 0.0), "test_accuracy") == 400


def test_a_loss_of_nothing_in_both_is_no_difference():
    frame = pl.DataFrame({"step": range(10), "train_loss": [0.0] * 10})
    assert parts(frame, frame, "train_loss") is None
    assert parts(frame.with_columns(train_loss=pl.lit(math.nan)), frame, "train_loss") is None


def test_a_median_lies_between_those_of_the_ends():
    exact = median_of([1, 2, 9], [1, 2, 9])
    assert (exact.low, exact.high, exact.parents) == (2, 2, 3)
    assert exact.interval == (1, 9)
    bounded = median_of([1, 300, 300], [1, INF, INF])
    assert (bounded.low, bounded.high) == (300, INF)
    assert bounded.interval[1] == INF
    # one censored fork of five moves no end of the median
    assert (median_of([1, 2, 3, 4, 90], [1, 2, 3, 4, INF]).high, median_of([], []).parents) == (3, 0)


def comparison(seed: int, fork: Event, twin: Event, end: float = 1.0) -> Comparison:
    found = (shift("grokked", "Grokked", fork, twin),)
    cost = {"test_accuracy": {"before": 0.9, "after": 0.8}}
    ends = {"test_accuracy": {"fork": end, "twin": 1.0}}
    parted = (Parting("test_accuracy", 110 + seed), Parting("test_loss", None))
    head = (f"fork-{seed}", "twin", "", f"parent-{seed}", seed, 100, 500, None, "no decay", {}, None, "")
    return Comparison(*head, parted, found, cost, ends, ())


def test_effects_are_counted_over_parents():
    pairs = [
        (event(300), event(200)),
        (event(150), event(200)),
        (event(200), event(200)),
        (event(censored=500), event(200)),
        (event(censored=500), event(censored=500)),
    ]
    # the twin generalised at once: no grokking to wait for
    cannot = ("100", comparison(9, event(300), event()))
    (found,) = effects(("100", comparison(seed, *pair)) for seed, pair in enumerate(pairs))
    (grokked,) = found.events
    counted = (grokked.later, grokked.earlier, grokked.same, grokked.unknown, grokked.never, grokked.only)
    assert counted == (2, 1, 1, 1, 1, 0)
    assert grokked.steps is not None
    # −50, 0, 100, > 300 and one of which nothing is known
    assert (grokked.steps.low, grokked.steps.high, grokked.steps.parents) == (0, 100, 5)
    (found,) = effects([*((("100", comparison(seed, *pair))) for seed, pair in enumerate(pairs[:4])), cannot])
    assert found.events[0].steps is not None
    assert (found.events[0].steps.low, found.events[0].steps.parents, found.events[0].unknown) == (50, 4, 1)
    assert (found.parts.low, found.cost["test_accuracy"].low) == (12, pytest.approx(-0.1))
    assert len(found.parents) == 5


def test_moments_and_changes_are_told_apart():
    pairs = [("100", comparison(0, event(300), event(200))), ("200", comparison(0, event(300), event(200)))]
    assert [effect.at for effect in effects(pairs)] == ["100", "200"]
