from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from latebloom.analysis import find_events
from latebloom.analysis.second_opinion import with_second_opinions
from latebloom.analysis.widths import TO_90, fit_width, with_widths
from latebloom.errors import LatebloomError
from made_curves import Times, curves, frame, steps


@pytest.mark.parametrize(("middle", "scale"), [(3000, 0.02), (3000, 0.08), (700, 0.05)])
def test_a_sigmoid_is_found_again(middle, scale):
    step = np.arange(100, 20_000, 20.0)
    value = 0.1 + 0.9 / (1 + np.exp(-(np.log10(1 + step) - np.log10(1 + middle)) / scale))
    found = fit_width(step, value + 0.005 * np.random.default_rng(0).normal(size=len(step)))
    assert found.midpoint == pytest.approx(middle, rel=0.02)
    assert found.decades == pytest.approx(TO_90 * scale, rel=0.05)
    assert np.log10((1 + found.end) / (1 + found.start)) == pytest.approx(found.decades)
    assert found.r2 > 0.99


def test_a_sigmoid_over_steps_has_its_width_in_steps():
    step = np.arange(2000, 30_000, 40.0)
    value = 1 / (1 + np.exp(-(step - 10_000) / 200))
    assert fit_width(step, value).linear == pytest.approx(TO_90 * 200, rel=0.02)


def test_nothing_is_fitted_where_there_is_nothing():
    step = np.arange(1.0, 50)
    assert fit_width(step, np.ones(49)) is None
    assert fit_width(step[:5], step[:5]) is None
    assert fit_width(step, np.random.default_rng(0).normal(size=49)) is None


STEP = steps()
CURVES = frame(STEP, curves(Times(), STEP), np.random.default_rng(0), 0.005)


def test_events_of_thresholds_have_widths():
    found = {event.name: event.width for event in with_widths(find_events(CURVES), CURVES)}
    assert found["grokked"].linear == pytest.approx(TO_90 * 180, rel=0.1)
    assert found["cleanup-started"] is None
    assert found["collapsed"] is None


def test_change_points_agree_on_curves_with_known_times():
    pytest.importorskip("ruptures", reason="the extra stats is not installed")
    found = {event.name: event.second for event in with_second_opinions(find_events(CURVES), CURVES)}
    assert found["grokked"].step == pytest.approx(10_000, rel=0.1)
    assert found["circuit-formation-started"].step == pytest.approx(1300, rel=0.35)
    assert found["cleanup-started"].step == pytest.approx(9400, rel=0.1)
    assert found["cleanup-ended"].step == pytest.approx(13_000, rel=0.2)
    assert found["collapsed"] is None


def test_without_the_extra_there_is_one_clear_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ruptures", None)
    with pytest.raises(LatebloomError, match=r"need ruptures.*pip install 'latebloom\[stats\]'.*-e '\.\[stats\]'"):
        with_second_opinions(find_events(CURVES), CURVES)
    import xarray

    from latebloom.analysis.account import account

    run = SimpleNamespace(id="r", state="done", folder=tmp_path, scalars=CURVES, arrays=xarray.Dataset())
    told = account(run)
    assert [note for note in told.notes if note.startswith("no second opinion")]
    assert [phase.name for phase in told.phases][-1] == "after-cleanup"
    assert told.to_json()["events"][0]["name"] == "memorised"
    with pytest.raises(LatebloomError, match="expected a log, got none"):
        account(SimpleNamespace(folder=tmp_path, scalars=pl.DataFrame()))
