"""Ticks of logarithmic axes, short and long."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latebloom.views.ticks import log_ticks, power


@given(st.floats(-40, 40), st.floats(0.003, 60), st.integers(4, 12))
def test_every_axis_has_three_ticks_or_more_and_not_too_many(low, decades, most):
    ends = 10.0**low, 10.0 ** (low + decades)
    ticks = log_ticks(*ends, most)
    assert 3 <= len(ticks) <= max(most, 9)
    assert ticks == sorted(set(ticks))
    assert all(ends[0] * (1 - 1e-9) <= tick <= ends[1] * (1 + 1e-9) for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (5500, 9500, [6000, 7000, 8000, 9000]),
        (1.5, 60, [2, 5, 10, 20, 50]),
        (0.05, 20, [0.1, 1, 10]),
        (1e-8, 1, [10.0**e for e in range(-8, 1)]),
    ],
)
def test_they_are_round(low, high, said):
    assert log_ticks(low, high) == pytest.approx(said)


@pytest.mark.parametrize("ends", [(1.0, 1.0), (0.0, 1.0), (2.0, 1.0), (1.0, math.inf), (math.nan, 1.0)])
def test_an_axis_without_extent_has_none(ends):
    assert log_ticks(*ends) == []


def test_numbers_by_their_powers_of_ten():
    assert [power(v) for v in (1e-4, 2e-4, 1.0, 3.5e6)] == ["10⁻⁴", "2·10⁻⁴", "10⁰", "3.5·10⁶"]
