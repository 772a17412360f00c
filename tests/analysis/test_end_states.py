from __future__ import annotations

import numpy as np
import pytest

from latebloom.analysis.end_states import STATES, Thresholds, end_state

SHORT = Thresholds(budget=4000)


def told(train, test, every=100, thresholds=SHORT, **facts):
    step = np.arange(len(train)) * every
    return end_state(step, np.array(train, float), np.array(test, float), thresholds=thresholds, **facts)


def steps(*stretches):
    """A curve of levels: (number of evaluations, level)."""
    return [level for count, level in stretches for _ in range(count)]


LEARNT = steps((5, 0.1), (46, 1.0))


@pytest.mark.parametrize(
    ("train", "test", "state", "phase"),
    [
        # the rule of Liu et al.: both within the budget, and how far apart
        (LEARNT, steps((10, 0.1), (41, 0.99)), "comprehension", "comprehension"),
        (LEARNT, steps((20, 0.1), (31, 0.99)), "grokking", "grokking"),
        (LEARNT, steps((51, 0.01)), "memorisation", "memorisation"),
        (steps((51, 0.02)), steps((51, 0.01)), "confusion", "confusion"),
        # what they do not tell apart
        (LEARNT, steps((10, 0.1), (41, 0.55)), "partial", "memorisation"),
        (steps((10, 0.1), (41, 0.6)), steps((51, 0.01)), "stuck-plateau", "confusion"),
        (LEARNT, steps((10, 0.1), (20, 0.99), (21, 0.05)), "anti-grokking", "comprehension"),
        (steps((5, 0.1), (25, 1), (21, 0.02)), steps((20, 0.1), (10, 0.99), (21, 0.02)), "collapse", "grokking"),
        (LEARNT, steps((10, 0.1), (20, 0.99), (21, 0.7)), "unclear", "comprehension"),
        # a level that still moves is none of its own
        (LEARNT, [*steps((10, 0.1)), *np.linspace(0.1, 0.6, 41)], "memorisation", "memorisation"),
        (steps((51, 0.01)), LEARNT, "unclear", "unclear"),
    ],
)
def test_each_rule(train, test, state, phase):
    found = told(train, test)
    assert (found.state, found.phase) == (state, phase)
    assert found.reason


def test_liu_et_al_is_the_default():
    rule = told(LEARNT, steps((51, 0.01)), thresholds=Thresholds()).thresholds
    assert (rule.reached, rule.late, rule.budget) == (0.9, 1000, 100_000)


@pytest.mark.parametrize(
    ("train", "test", "why"),
    [
        (LEARNT, steps((51, 0.01)), "test accuracy was not reached up to step 5000; the rule looks at 100000"),
        (steps((51, 0.01)), steps((51, 0.01)), "neither was reached up to step 5000"),
    ],
)
def test_a_short_run_is_unclear(train, test, why):
    found = told(train, test, thresholds=Thresholds())
    assert (found.state, found.phase) == ("unclear", "unclear")
    assert why in found.reason


def test_a_run_that_did_both_may_end_early():
    assert told(LEARNT, steps((10, 0.1), (41, 0.99)), thresholds=Thresholds()).state == "comprehension"


def test_what_comes_after_the_budget_does_not_count():
    late = steps((45, 0.1), (6, 0.99))
    assert told(LEARNT, late).phase == "memorisation"
    assert told(LEARNT, late, thresholds=Thresholds(budget=5000)).phase == "grokking"


def test_the_first_step_counts_and_need_not_last():
    spike = steps((8, 0.1), (1, 0.95), (20, 0.5), (22, 0.99))
    found = told(LEARNT, spike)
    assert found.test.step == 800
    assert found.phase == "comprehension"


def test_a_coarse_log_leaves_the_delay_open():
    # 90 % was first seen at 0 … 1000 of training and at 1000 … 2000 of test: 0 to 2000 steps apart
    found = told(steps((1, 0.1), (9, 1.0)), steps((2, 0.1), (8, 1.0)), every=1000)
    assert found.state == "unclear"
    assert found.reason == "the log leaves open whether 0 or 2000 steps lie between both"


def test_chance_is_no_plateau():
    half = steps((51, 0.55))
    assert told(half, half).state == "stuck-plateau"
    assert told(half, half, chance=0.5).state == "confusion"


def test_diverged():
    found = told(steps((5, 0.1), (15, 0.5)), steps((20, 0.1)), diverged=True)
    assert found.state == "diverged"
    assert told([], [], diverged=True).state == "diverged"
    assert told([], []).reason == "no accuracies are at hand"


def test_gaps_are_not_evaluations():
    found = told([np.nan, *LEARNT], [np.nan, *steps((10, 0.1), (41, 0.99))])
    assert found.train.interval == (500, 600)


def test_a_spike_at_the_end_is_no_loss():
    assert told(LEARNT, steps((10, 0.1), (39, 0.99), (2, 0.1))).state == "comprehension"


def test_every_state_is_explained():
    from typing import get_args

    from latebloom.analysis.end_states import Phase, State

    assert set(STATES) == set(get_args(State))
    assert set(get_args(Phase)) <= set(STATES)
