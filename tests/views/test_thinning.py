from __future__ import annotations

from itertools import pairwise

import numpy as np

from latebloom.views.thinning import rows_to_keep, steps_to_keep


def test_few_rows_are_all_kept() -> None:
    steps = np.arange(100)
    assert rows_to_keep(steps, [steps * 1.0], most=100).tolist() == steps.tolist()


def test_many_rows_keep_every_spike_the_ends_and_what_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(0, 200_000, 10)
    curves = [rng.normal(size=len(steps)) for _ in range(12)]
    spikes = rng.choice(len(steps), 12, replace=False)
    for curve, spike in zip(curves, spikes, strict=True):
        curve[spike] = 50.0
    kept = rows_to_keep(steps, curves, always=[777 * 10])
    assert set(spikes) | {0, len(steps) - 1, 777} <= set(kept.tolist())
    assert 1000 < len(kept) <= 4003
    assert (np.diff(kept) > 0).all()


def test_every_stretch_keeps_its_extremes() -> None:
    steps = np.arange(10_000)
    curve = np.sin(steps / 3.0)
    kept = rows_to_keep(steps, [curve], most=1000)
    edges = np.linspace(0, 10_000, 101).astype(int)
    for low, high in pairwise(edges):
        inside = curve[kept[(kept >= low) & (kept < high)]]
        assert inside.max() > 0.95
        assert inside.min() < -0.95


def test_curves_without_numbers_do_no_harm() -> None:
    steps = np.arange(9000)
    kept = rows_to_keep(steps, [np.full(9000, np.nan)], most=100)
    assert kept[0] == 0
    assert kept[-1] == 8999
    assert len(rows_to_keep(steps, [], most=100)) == 2


def test_steps_of_arrays_are_even_along_both_axes() -> None:
    steps = np.arange(0, 50_000, 20)
    kept = steps[steps_to_keep(steps, 400)]
    assert kept[0] == 0
    assert kept[-1] == steps[-1]
    assert len(kept) <= 402
    assert np.diff(kept).max() <= 50_000 / 190
    assert (kept < 1000).sum() > 30  # evenly along the step alone there would be eight
