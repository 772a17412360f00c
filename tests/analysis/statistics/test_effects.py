from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from latebloom.analysis.statistics import benjamini_hochberg, cliffs_delta, exact, holm, ratio_of_medians
from remission import PLACEBO, SIX_MP


def test_ratio_of_medians():
    found = ratio_of_medians(SIX_MP, PLACEBO)
    assert found.value == 23 / 8
    assert found.low < found.value
    assert found.high is None  # 6-MP's median is often not reached


def test_ratio_of_paired_seeds_is_sharp():
    one = exact([100.0, 300, 900, 2700, 8100])
    assert ratio_of_medians(exact((one.known * 2).tolist()), one).value == 2
    found = ratio_of_medians(exact((one.known * 2).tolist()), one)
    assert (found.low, found.high) == (2, 2)


def test_ratio_without_a_median_says_why():
    found = ratio_of_medians(exact([5, 5], [True, True]), PLACEBO)
    assert found.value is None
    assert "more than half of the runs are censored" in found.reason
    assert "no runs" in ratio_of_medians(exact([]), PLACEBO).reason


def test_cliffs_delta_counts_pairs():
    one, other = [3, 5, 5, 9], [1, 5, 6]
    wins = [(a > b) - (a < b) for a in one for b in other]
    found = cliffs_delta(exact(one), exact(other))
    assert found.value == pytest.approx(sum(wins) / 12)
    # U / (n m) is P(X > Y) + half the ties
    u = stats.mannwhitneyu(one, other).statistic
    assert found.value == pytest.approx(2 * u / 12 - 1)


def test_cliffs_variance_is_the_published_one():
    # Cliff 1993: an unbiased estimate, so that over many samples its mean is the variance of delta
    random = np.random.default_rng(0)
    deltas, spreads = [], []
    z = stats.norm.ppf(0.975)
    for _ in range(600):
        found = cliffs_delta(exact(random.normal(9, 1, 12).tolist()), exact(random.normal(8.5, 1, 9).tolist()))
        deltas.append(found.value)
        spreads.append((found.high - found.low) / 2 / z)
    assert np.mean(spreads) == pytest.approx(np.std(deltas), rel=0.12)


@pytest.mark.parametrize("shift", [0.0, 0.7, 1.5])
def test_cliffs_intervals_cover(shift):
    random = np.random.default_rng(4)
    truth = 2 * stats.norm.cdf(shift / math.sqrt(2)) - 1
    hits = 0
    for _ in range(400):
        one, other = 9 + random.normal(shift, 1, 10), 9 + random.normal(0, 1, 10)
        found = cliffs_delta(exact(one.tolist()), exact(other.tolist()))
        hits += found.low <= truth <= found.high
    assert hits >= 360


def test_cliffs_delta_of_groups_apart():
    found = cliffs_delta(exact([7, 8, 9, 9.5, 10]), exact([1, 2, 3, 4, 5]))
    assert (found.value, found.high) == (1, 1)
    z = stats.norm.ppf(0.975)
    assert found.low == pytest.approx((5 - z**2) / (5 + z**2))
    back = cliffs_delta(exact([1, 2, 3, 4, 5]), exact([7, 8, 9, 9.5, 10]))
    assert (back.value, back.low, back.high) == (-1, -1, -found.low)


def test_what_censoring_hides_is_a_tie():
    one = exact([5, 8, 9], [False, True, True])
    other = exact([6, 8], [False, True])
    # 5 < 6, 5 < 8+; 8+ > 6, 8+ ? 8+; 9+ > 6, 9+ ? 8+
    found = cliffs_delta(one, other)
    assert found.value == pytest.approx((-1 - 1 + 1 + 0 + 1 + 0) / 6)
    assert found.reason == "2 of 6 pairs count as ties: both runs are censored"
    assert "expected two runs" in cliffs_delta(exact([1]), other).reason


P = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205]  # Benjamini and Hochberg's own kind of example


def test_holm_and_bh_are_those_of_statsmodels():
    # statsmodels 0.14, multipletests
    assert holm(P) == pytest.approx([0.008, 0.056, 0.234, 0.234, 0.234, 0.234, 0.234, 0.234])
    by_hand = np.minimum.accumulate([p * 8 / (i + 1) for i, p in enumerate(P)][::-1])[::-1]
    assert benjamini_hochberg(P) == pytest.approx(by_hand)


def test_order_and_missing_values_are_kept():
    assert holm([0.04, math.nan, 0.01]) == pytest.approx([0.04, math.nan, 0.02], nan_ok=True)
    assert np.isnan(benjamini_hochberg([math.nan])).all()


def test_holm_never_exceeds_one():
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
