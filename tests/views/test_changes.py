"""Where a set of key parts changed, found by comparing rows one by one."""

from __future__ import annotations

import numpy as np
import xarray

from latebloom.views.changes import Change, changes


def mask(rows: list[list[float]], steps: list[int]) -> xarray.DataArray:
    return xarray.DataArray(np.array(rows), dims=("step", "frequency"), coords={"step": steps, "frequency": [3, 5, 8]})


def test_a_change_lies_between_two_takings():
    none = [np.nan] * 3
    found = changes(mask([[0, 0, 0], none, [1, 0, 0], [1, 0, 0], none, [0, 1, 1]], [0, 5, 10, 20, 30, 40]))
    assert found == [Change(0, 10, "new: 3"), Change(20, 40, "new: 5, 8; no more: 3")]


def test_a_set_that_stays_and_one_that_was_never_taken_have_none():
    assert changes(mask([[1, 0, 1]] * 4, [0, 1, 2, 3])) == []
    assert changes(mask([[np.nan] * 3] * 4, [0, 1, 2, 3])) == []
    assert changes(mask([[1, 0, 0]], [0])) == []


def test_all_changes_are_found():
    rng = np.random.default_rng(0)
    rows = (rng.random((60, 3)) < 0.3).astype(float)
    steps = np.cumsum(rng.integers(1, 9, 60)).tolist()
    slow = [
        (steps[i], steps[i + 1])
        for i in range(59)
        if {k for k in range(3) if rows[i, k]} != {k for k in range(3) if rows[i + 1, k]}
    ]
    assert [(change.start, change.end) for change in changes(mask(rows.tolist(), steps))] == slow
