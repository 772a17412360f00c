"""AUROC and Harrell's C by counting pairs, their intervals over seeds, and permutation within settings."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latebloom.analysis.statistics import exact
from latebloom.analysis.statistics.discrimination import Pairs, by_outcome, by_time, edge, permuted, share
from latebloom.errors import LatebloomError


def one_group(count: int) -> np.ndarray:
    return np.zeros(count, dtype=np.int64)


def auroc(score, came, **more) -> float:
    count = len(score)
    pairs = by_outcome(np.array(score, dtype=float), np.array(came, dtype=bool), np.arange(count), one_group(count))
    return share(pairs, **more).value


def counted(score: list[float], came: list[bool]) -> float:
    """The AUROC, pair by pair."""
    won = [
        1.0 if x > y else 0.5 if x == y else 0.0
        for (x, yes), (y, no) in itertools.product(zip(score, came, strict=True), repeat=2)
        if yes and not no
    ]
    return sum(won) / len(won)


def harrell(score: list[float], steps: list[float], censored: list[bool]) -> float:
    """Harrell's C, case by case as he gives it: the earlier of two times must be that of an event."""
    won = []
    for i, j in itertools.combinations(range(len(score)), 2):
        if steps[i] == steps[j]:
            if censored[i] == censored[j]:
                continue
            first, second = (j, i) if censored[i] else (i, j)
        else:
            first, second = (i, j) if steps[i] < steps[j] else (j, i)
            if censored[first]:
                continue
        won.append(1.0 if score[first] > score[second] else 0.5 if score[first] == score[second] else 0.0)
    return sum(won) / len(won) if won else float("nan")


RUNS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.booleans()), min_size=2, max_size=14)


@given(RUNS)
def test_auroc_is_the_share_of_pairs_counted_one_by_one(runs):
    score, _, came = map(list, zip(*runs, strict=True))
    if all(came) or not any(came):
        with pytest.raises(LatebloomError, match="expected runs with the event and runs without it"):
            auroc(score, came)
    else:
        assert auroc(score, came, draws=2) == pytest.approx(counted(score, came))


@given(RUNS)
def test_c_is_harrells_counted_one_by_one(runs):
    score, steps, censored = map(list, zip(*runs, strict=True))
    times = exact(steps, censored)
    found = share(by_time(np.array(score, dtype=float), times, one_group(len(score))), draws=2)
    assert found.value == pytest.approx(harrell(score, steps, censored), nan_ok=True)


def test_c_by_hand():
    # events at 2 and 5, censored at 3 and 7: pairs (2,3) (2,5) (2,7) (5,7) count, (3,5) does not
    times = exact([2, 3, 5, 7], [False, True, False, True])
    found = share(by_time(np.array([3.0, 9.0, 2.0, 2.0]), times, one_group(4)))
    assert found.pairs == 4
    assert found.value == pytest.approx((0 + 1 + 1 + 0.5) / 4)


def test_without_censoring_and_ties_c_is_kendalls_tau_moved_to_shares():
    random = np.random.default_rng(1)
    score, steps = random.normal(size=30), random.permutation(30) + 1.0
    tau: Any = stats.kendalltau(score, steps)[0]
    found = share(by_time(score, exact(steps.tolist()), one_group(30)), draws=2)
    assert found.value == pytest.approx((1 - float(tau)) / 2)


def test_auroc_is_mann_whitneys_u_over_its_greatest():
    random = np.random.default_rng(2)
    score, came = random.normal(size=40), np.arange(40) < 15
    u = stats.mannwhitneyu(score[came], score[~came]).statistic
    assert auroc(score, came, draws=2) == pytest.approx(u / (15 * 25))


def test_the_answer_gives_one_with_every_seed_and_its_opposite_nothing():
    came = np.array([True, False] * 6)
    for score, expected in ((came.astype(float), 1.0), (-came.astype(float), 0.0), (np.ones(12), 0.5)):
        found = share(by_outcome(score, came, np.arange(12), one_group(12)))
        assert (found.value, found.low, found.high) == (expected, expected, expected)


def test_noise_is_about_a_half_and_its_interval_covers_a_half_about_as_often_as_it_says():
    random = np.random.default_rng(3)
    covered = []
    for _ in range(100):
        came = np.arange(30) < 15
        found = share(by_outcome(random.normal(size=30), came, np.arange(30), one_group(30)), draws=300)
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.85 <= np.mean(covered) <= 1.0


def slow_share(score, came, seed, chosen) -> float:
    runs = [i for one in chosen for i in np.flatnonzero(seed == one)]
    return counted([score[i] for i in runs], [bool(came[i]) for i in runs])


def test_the_interval_is_that_of_seeds_drawn_together_run_by_run():
    random = np.random.default_rng(4)
    seed, came = np.repeat(np.arange(6), 2), random.random(12) < 0.5
    score = random.normal(size=12)
    found = share(by_outcome(score, came, seed, one_group(12)), draws=400)
    again = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), size=400)
    values = []
    for row in again:
        chosen = np.repeat(np.arange(6), row)
        taken = came[np.isin(seed, chosen)]
        if taken.any() and not taken.all():
            values.append(slow_share(score, came, seed, chosen))
    low, high = np.quantile(values, [(1 - 0.95) / 2, (1 + 0.95) / 2], method="inverted_cdf")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.drawn == pytest.approx(len(values) / 400)


def test_within_a_setting_what_the_setting_tells_does_not_count():
    group = np.array([0, 0, 0, 1, 1, 1])
    came = np.array([True, True, False, True, False, False])
    pairs = by_outcome(group * -1.0, came, np.tile(np.arange(3), 2), group)
    assert share(pairs).value == pytest.approx((2 * 2 + 0 * 1 + 0.5 * 2 + 0.5 * 2) / 9)
    assert share(pairs.within()).value == 0.5
    assert share(pairs.within()).pairs == 4


def test_unknown_numbers_are_no_pairs():
    score = np.array([1.0, np.nan, 0.0, np.nan])
    found = share(by_outcome(score, np.array([True, True, False, False]), np.arange(4), one_group(4)))
    assert (found.value, found.pairs) == (1.0, 1)


def test_settings_without_both_outcomes_have_no_share_within():
    came, group = np.array([True, True, False, False]), np.array([0, 0, 1, 1])
    found = share(by_outcome(np.arange(4.0), came, np.array([0, 1, 0, 1]), group).within())
    assert found.pairs == 0
    assert np.isnan(found.value)
    assert np.isnan(permuted(by_outcome(np.arange(4.0), came, np.array([0, 1, 0, 1]), group).within()))


def test_permutation_of_few_seeds_gives_the_share_of_all_orders():
    score, steps = np.array([4.0, 3.0, 2.0, 1.0]), exact([1, 2, 3, 4])
    pairs = by_time(score, steps, one_group(4))
    # of 24 orders two are as far from a half: sorted and reversed
    assert permuted(pairs, draws=4000) == pytest.approx(2 / 24, abs=0.02)


def test_permutation_keeps_what_a_seed_does_to_several_settings_together():
    """The same four runs seen under ten settings prove no more than once."""
    score, group = np.tile([4.0, 3.0, 2.0, 1.0], 10), np.repeat(np.arange(10), 4)
    times = exact([1, 2, 3, 4] * 10, seed=[0, 1, 2, 3] * 10)
    assert permuted(by_time(score, times, group).within(), draws=4000) == pytest.approx(2 / 24, abs=0.02)


def test_permutation_is_level_under_noise():
    random = np.random.default_rng(5)
    p = [
        permuted(by_time(random.normal(size=12), exact(random.random(12).tolist()), one_group(12)), draws=99)
        for _ in range(200)
    ]
    assert 0.01 <= np.mean(np.array(p) <= 0.05) <= 0.10


def test_pairs_are_plain_data():
    pairs = Pairs(np.array([1.0, 0.0]), np.array([[False, True], [False, False]]), np.arange(2), one_group(2))
    assert share(pairs).value == 1.0


def test_an_edge_is_the_difference_of_shares_each_turned_to_its_better_side():
    random = np.random.default_rng(6)
    came, seed, group = np.arange(20) < 8, np.arange(20), one_group(20)
    good, poor = came + random.normal(size=20), came + 3 * random.normal(size=20)
    shares = [counted(list(score), list(came)) for score in (good, poor)]
    expected = max(shares[0], 1 - shares[0]) - max(shares[1], 1 - shares[1])
    for sign in (1, -1):
        found = edge(by_outcome(sign * good, came, seed, group), by_outcome(poor, came, seed, group))
        assert found.value == pytest.approx(expected)
        assert found.low < found.value < found.high
    same = edge(by_outcome(good, came, seed, group), by_outcome(np.exp(good), came, seed, group))
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_an_edge_counts_pairs_that_both_know_and_refuses_other_runs():
    came, seed, group = np.array([True, True, False, False]), np.arange(4), one_group(4)
    some = by_outcome(np.array([1.0, np.nan, 0.0, 0.0]), came, seed, group)
    other = by_outcome(np.array([0.0, 0.0, 0.0, np.nan]), came, seed, group)
    assert edge(some, other).pairs == 1
    assert edge(some, other).value == 0.5
    with pytest.raises(LatebloomError, match="expected two numbers of the same runs"):
        edge(some, by_outcome(np.zeros(4), ~came, seed, group))
