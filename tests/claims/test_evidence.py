"""Numbers with intervals, against closed forms and by counting."""

import math

import numpy as np
import pytest
from scipy import stats

from latebloom.claims.claim import Judged, Judgement
from latebloom.claims.evidence import Number, mean, middle, ratio, share


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (2, 5), (7, 20)])
def test_share_has_the_interval_whose_ends_are_barely_not_rejected(k, n):
    found = share("x", [True] * k + [False] * (n - k))
    assert found.value == k / n
    if k > 0:
        assert stats.binom.sf(k - 1, n, found.low) == pytest.approx(0.025, abs=1e-6)
    if k < n:
        assert stats.binom.cdf(k, n, found.high) == pytest.approx(0.025, abs=1e-6)


def test_mean_is_that_of_a_t_test():
    x = [1.0, 2.0, 4.0, 3.0, 7.0]
    found, known = mean("x", [*x, math.nan]), stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (found.value, found.runs) == (np.mean(x), 5)
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_ratio_is_the_mean_of_logarithms():
    found = ratio("x", [2.0, 8.0, 4.0, math.nan], [1.0, 2.0, 1.0, 1.0])
    logs = mean("x", np.log([2.0, 4.0, 4.0]).tolist())
    assert found.runs == 3
    assert np.log([found.value, found.low, found.high]) == pytest.approx([logs.value, logs.low, logs.high])


def test_middle_covers_the_median_as_often_as_it_says():
    random = np.random.default_rng(0)
    hits = [f.low <= 0 <= f.high for f in (middle("x", random.normal(size=9).tolist()) for _ in range(2000))]
    assert np.mean(hits) >= 0.95 - 0.01
    few = middle("x", [3.0, 1.0, 2.0, 9.0, 5.0])
    assert (few.low, few.value, few.high) == (1.0, 3.0, 9.0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number("", 0.254, 0.1, 0.5, form=".0%"), "25% [10%, 50%]"),
        (Number("", 1234567.0, form=".3g"), "1,234,567"),
        (Number("", math.nan), "–"),
        (Number("", 3.0, 2.0, None), "3 [2, …]"),
        (Number("", 2.0, 1.0, math.inf), "2 [1, ∞]"),
    ],
)
def test_numbers_are_written(number, text):
    assert f"{number}" == text


def test_an_interval_is_above_a_bound_as_a_whole():
    number = Number("", 1.0, 0.5, 1.5)
    assert number.above(0.4)
    assert not number.above(0.6)
    assert number.within(0.4, 1.6)
    assert not Number("", math.nan, 1.0, 2.0).above(0)
    assert not Number("", 1.0).below(2)


@pytest.mark.parametrize(
    ("observation", "interpretation", "verdict"),
    [
        ("supported", None, "supported"),
        ("supported", "supported", "supported"),
        ("supported", "refuted", "mixed"),
        ("supported", "open", "supported"),
        ("open", "refuted", "refuted"),
        ("mixed", "refuted", "mixed"),
        ("open", "open", "open"),
    ],
)
def test_two_verdicts_make_one(observation, interpretation, verdict):
    second = interpretation and Judged(interpretation, "")
    assert Judgement(Judged(observation, ""), second, {}).verdict == verdict
