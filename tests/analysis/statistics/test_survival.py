from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latebloom.analysis.statistics import Times, delay_times, exact, kaplan_meier, logrank, median, times_of
from latebloom.analysis.statistics.bootstrap import interval, seed_bootstrap
from latebloom.analysis.statistics.survival import median_step
from latebloom.errors import LatebloomError
from remission import PLACEBO, SIX_MP


def product_limit(steps, seen):
    """Kaplan–Meier as on paper: at every step the share that survives it, of those still looked at."""
    share, curve = 1.0, {}
    for step in sorted(set(steps)):
        at_risk = sum(s >= step for s in steps)
        events = sum(s == step and e for s, e in zip(steps, seen, strict=True))
        share *= 1 - events / at_risk
        curve[step] = share
    return curve


def test_the_textbook_curve_of_6_mp():
    # Kleinbaum and Klein, Survival Analysis, table 2.1; Greenwood's errors as printed by R's survfit
    curve = kaplan_meier(SIX_MP)
    at = dict(zip(curve.step, curve.survival, strict=True))
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {k: round(float(at[k]), 3) for k in published} == published
    risk = dict(zip(curve.step, curve.at_risk, strict=True))
    assert [risk[k] for k in published] == [21, 17, 15, 12, 11, 7, 6]
    assert median(SIX_MP).step == 23
    assert median(PLACEBO).step == 8


def test_intervals_are_greenwoods_on_the_log_minus_log_scale():
    curve = kaplan_meier(SIX_MP, 0.95)
    at = int(np.flatnonzero(curve.step == 10)[0])
    # steps 6, 7, 10: events 3, 1, 1 of 21, 17, 15
    variance = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    s = float(curve.survival[at])
    half = stats.norm.ppf(0.975) * math.sqrt(variance) / abs(math.log(s))
    assert curve.low[at] == pytest.approx(s ** math.exp(half), rel=1e-9)
    assert curve.high[at] == pytest.approx(s ** math.exp(-half), rel=1e-9)


def test_nothing_is_sure_at_zero_and_one():
    curve = kaplan_meier(exact([1, 2, 3], [True, False, False]))
    assert curve.survival.tolist() == [1.0, 0.5, 0.0]
    assert np.isnan(curve.low[[0, 2]]).all()
    assert np.isfinite(curve.low[1])


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=12))
def test_curve_and_median_are_the_product_limit(runs):
    steps, seen = [s for s, _ in runs], [e for _, e in runs]
    times = exact(steps, [not e for e in seen])
    expected = product_limit(steps, seen)
    curve = kaplan_meier(times)
    assert dict(zip(curve.step, curve.survival, strict=True)) == pytest.approx(expected)
    assert curve.at([0, *expected]).tolist() == pytest.approx([1.0, *expected.values()])
    below = [s for s, share in expected.items() if share <= 0.5 + 1e-12]
    assert median_step(times.known, times.seen) == (below[0] if below else math.inf)


def test_a_median_that_was_not_reached_says_so():
    found = median(exact([5, 9, 9, 9], [False, True, True, True]))
    assert found.step is None
    assert found.reason == "seen in 1 of 4 runs up to step 9: censored"
    assert (found.runs, found.seen) == (4, 1)
    assert median(exact([])).reason == "no runs"


def test_a_median_knows_the_grid_of_its_log():
    times = Times(np.array([10.0, 20, 30]), np.array([20.0, 30, 40]), np.arange(3))
    assert median(times).step == 30
    assert median(times).grid == (20, 30)


def test_interval_of_a_median_may_be_open():
    found = median(exact([1, 2, 3, 9, 9, 9], [False] * 3 + [True] * 3))
    assert found.step == 3
    assert found.high is None
    assert found.reason == "the upper end lies beyond the last step looked at"


def test_log_rank_of_the_textbook():
    found = logrank([SIX_MP, PLACEBO])
    assert found.statistic == pytest.approx(16.793, abs=5e-4)  # Kleinbaum and Klein: 16.793
    assert found.expected == pytest.approx((19.251, 10.749), abs=5e-4)
    assert found.observed == (9, 21)
    assert found.df == 1


def test_log_rank_of_two_groups_is_scipys():
    twin = stats.logrank(
        stats.CensoredData(uncensored=SIX_MP.high[SIX_MP.seen], right=SIX_MP.low[~SIX_MP.seen]),
        PLACEBO.known,
    )
    found = logrank([SIX_MP, PLACEBO])
    assert found.statistic == pytest.approx(twin.statistic**2, rel=1e-12)
    assert found.p == pytest.approx(twin.pvalue, rel=1e-9)


def test_log_rank_of_three_groups():
    known = np.concatenate([SIX_MP.known, PLACEBO.known])
    gone = ~np.concatenate([SIX_MP.seen, PLACEBO.seen])
    thirds = [exact(known[i : i + 14].tolist(), gone[i : i + 14].tolist()) for i in (0, 14, 28)]
    found = logrank(thirds)
    # lifelines 0.30.3, multivariate_logrank_test
    assert found.statistic == pytest.approx(2.6504393374281077, rel=1e-9)
    assert found.p == pytest.approx(0.26574457690731584, rel=1e-9)
    assert found.df == 2


def test_log_rank_keeps_its_level():
    random = np.random.default_rng(3)
    alarms = 0
    for _ in range(600):
        groups = [random.exponential(1000, 12) for _ in range(3)]
        p = logrank([exact(np.minimum(g, 1500).tolist(), (g > 1500).tolist()) for g in groups]).p
        alarms += p is not None and p < 0.05
    # binomial(600, .05) lies in 15 … 47 with probability .9995
    assert 15 <= alarms <= 47


def test_log_rank_without_events_or_groups_says_so():
    assert logrank([SIX_MP]).reason == "one group only"
    assert "no step at which an event was seen" in logrank([exact([5], [True]), exact([6], [True])]).reason


def test_seeds_are_drawn_together():
    # two settings that differ by a factor in every seed: drawn together, their ratio never varies
    one = exact([100, 200, 400, 800], seed=[1, 2, 3, 4])
    other = exact([1600, 200, 400, 800], seed=[4, 1, 2, 3])
    drawn = seed_bootstrap([one, other], lambda g: [float(np.mean(g[1].known) / np.mean(g[0].known))], 50)
    assert drawn[:, 0] == pytest.approx(np.full(50, 2.0))


def test_median_intervals_cover():
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        found = median(exact(random.lognormal(7, 0.5, 15).tolist()), draws=300)
        hits += found.low <= math.exp(7) <= found.high
    assert hits >= 178  # of 200; 190 are meant


def test_interval_takes_drawn_values_only():
    assert interval(np.array([1.0, 2, 3, math.inf]), 0.95) == (1.0, math.inf)
    assert np.isnan(interval(np.array([math.nan]), 0.95)).all()


FRAME = pl.DataFrame(
    {
        "seed": [0, 1, 2, 3],
        "memorised.step": [100, 120, None, 90],
        "memorised.after": [90, 110, None, 80],
        "memorised.censored_at": [None, None, 500, None],
        "grokked.step": [300, None, None, 100],
        "grokked.after": [280, None, None, 80],
        "grokked.censored_at": [None, 500, 500, None],
    }
)


def test_times_are_read_from_the_frame():
    times = times_of(FRAME, "grokked")
    assert times.low.tolist() == [280, 500, 500, 80]
    assert times.high.tolist() == [300, math.inf, math.inf, 100]
    with pytest.raises(LatebloomError, match="expected an event among grokked, memorised, got 'groked'"):
        times_of(FRAME, "groked")


def test_rows_that_know_nothing_are_left_out():
    blank = pl.when(pl.col("seed") == 1).then(None).otherwise(pl.col("grokked.censored_at"))
    unknown = FRAME.with_columns(blank.alias("grokked.censored_at"))
    assert times_of(unknown, "grokked").seed.tolist() == [0, 2, 3]
    assert delay_times(unknown).seed.tolist() == [0, 3]


def test_delays_are_intervals_and_need_a_beginning():
    delays = delay_times(FRAME)
    assert delays.seed.tolist() == [0, 1, 3]
    assert delays.low.tolist() == [180, 380, -10]
    assert delays.high.tolist() == [210, math.inf, 20]


def test_faulty_times_are_refused():
    with pytest.raises(LatebloomError, match="low end at or below its high end"):
        Times(np.array([5.0]), np.array([4.0]), np.array([0]))
    with pytest.raises(LatebloomError, match="got 1, 2 and 1"):
        Times(np.array([5.0]), np.array([5.0, 6]), np.array([0]))
