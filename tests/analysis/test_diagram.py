from __future__ import annotations

import polars as pl
import pytest

from latebloom.analysis.diagram import phase_diagram
from latebloom.analysis.end_states import Thresholds
from latebloom.analysis.outcomes import axes_of, axis_named, open_outcomes, outcomes
from latebloom.analysis.statistics import by_axis, fit_all, times_of
from latebloom.errors import LatebloomError
from latebloom.store import open_study
from study_of_ends import grok_step, study_of_ends

SHORT = Thresholds(budget=5000)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return open_study(study_of_ends(tmp_path_factory.mktemp("runs")))


def test_outcomes_are_those_of_the_runs(study):
    frame = outcomes(study, SHORT)
    assert frame.height == 24  # the run that has not begun is left out
    assert axes_of(frame) == ["optim.weight_decay", "optim.lr"]
    for row in frame.iter_rows(named=True):
        decay, rate = row["optim.weight_decay"], row["optim.lr"]
        grok = grok_step(decay, rate, row["seed"])
        assert row["memorised.step"] == 400
        assert row["grokked.censored_at"] == (5000 if grok is None else None)
        if grok is not None:
            assert row["grokked.after"] < grok <= row["grokked.step"]
        late = grok is not None and row["grokked.step"] - 400 >= 1000
        expected = "memorisation" if grok is None else "grokking" if late else "comprehension"
        assert row["phase"] == expected if row["state"] == "done" else row["end_state"] == "diverged"
    assert frame["end_state"].to_list().count("diverged") == 1
    assert times_of(frame, "grokked").seen.sum() == 16


def test_the_budget_is_the_studys_own_steps(study):
    assert set(outcomes(study)["end_budget"]) == {2800}  # of the preset that is its base


def test_a_short_study_is_unclear_by_the_papers_budget(study):
    found = outcomes(study, Thresholds())
    assert set(found.filter(found["grokked.step"].is_null())["end_state"]) == {"unclear"}


def test_axes_by_their_last_word(study):
    frame = outcomes(study, SHORT)
    assert axis_named(frame, "weight-decay") == "optim.weight_decay"
    with pytest.raises(LatebloomError, match=r"expected an axis among optim.weight_decay, optim.lr, got 'width'"):
        axis_named(frame, "width")


def test_a_diagram_counts_seeds_and_censored_runs(study):
    found = phase_diagram(outcomes(study, SHORT), "weight_decay", "lr")
    assert (found.x, found.y) == ("optim.weight_decay", "optim.lr")
    assert found.xs == (0.0, 1.0, 2.0)
    assert len(found.cells) == 6
    slow = found.cell(1.0, 0.001)
    assert slow.states == {"grokking": 4}
    assert slow.state == "grokking"
    assert slow.seeds == slow.runs == 4
    # logged every 20 steps: 2500, 2540, 2580, 2620, of which the median is the second
    assert slow.grokked.step == 2540
    assert slow.delay.step == 2160  # at the late end of the log's grid
    never = found.cell(0.0, 0.001)
    assert never.state == "memorisation"
    assert (never.grokked.seen, never.grokked.runs) == (0, 4)
    assert never.grokked.step is None
    assert found.states == ("comprehension", "grokking", "memorisation", "diverged")
    assert found.pooled == ()
    assert found.cell(9.0, 9.0) is None


def test_no_majority_is_said(study):
    frame = outcomes(study, SHORT)
    two = frame.filter((frame["optim.weight_decay"] == 2.0) & (frame["optim.lr"] == 0.01)).tail(2)
    assert phase_diagram(two, "weight_decay", "lr").cells[0].state is None


def test_further_axes_are_pooled_and_named(study):
    frame = outcomes(study, SHORT).with_columns(extra=outcomes(study, SHORT)["seed"] % 2)
    assert phase_diagram(frame, "lr", "weight_decay").pooled == ("extra",)


def test_one_axis_is_no_plane(study):
    with pytest.raises(LatebloomError, match="expected two different axes"):
        phase_diagram(outcomes(study, SHORT), "lr", "optim.lr")


def test_outcomes_in_a_file_are_the_same(study, tmp_path):
    frame = outcomes(study, SHORT)
    frame.write_parquet(tmp_path / "ends.parquet")
    again = open_outcomes(str(tmp_path / "ends.parquet"), tmp_path)
    assert again.equals(frame)
    assert open_outcomes(study.folder.name, study.folder.parent, SHORT).equals(frame)
    with pytest.raises(LatebloomError, match="to judge end states anew"):
        open_outcomes(str(tmp_path / "ends.parquet"), tmp_path, SHORT)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda p: p.write_bytes(b"PAR1 no"), "cannot be read as Parquet"),
        (lambda p: None, "cannot be read as Parquet"),
        (lambda p: pl.DataFrame({"run": ["a"], "seed": [0]}).write_parquet(p), "no column end_state"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, write, message):
    write(tmp_path / "x.parquet")
    with pytest.raises(LatebloomError, match=message):
        open_outcomes(str(tmp_path / "x.parquet"), tmp_path)


def test_a_study_without_ended_runs_says_so(tmp_path):
    with pytest.raises(LatebloomError, match="runs that have ended, got none"):
        outcomes(open_study(study_of_ends(tmp_path, seeds=0)))


def test_values_of_an_axis_compared(study):
    frame = outcomes(study, SHORT)
    slow = frame.filter(frame["optim.lr"] == 0.001)
    found = by_axis(slow, "optim.weight_decay", "grokked", tuple(axes_of(frame)))
    assert found.values == (0.0, 1.0, 2.0)
    assert [m.step for m in found.medians] == [None, 2540, 1540]
    assert found.logrank.df == 2
    assert found.logrank.p < 0.01
    first, second = found.steps
    assert (first.ratio.value, "censored" in first.ratio.reason) == (None, True)
    assert first.delta.value == second.delta.value == -1
    assert second.ratio.value == pytest.approx(1540 / 2540)
    assert first.p_holm == pytest.approx(min(1, 2 * first.logrank.p))
    assert found.fits[0].runs == 8  # λ = 0 has no logarithm
    assert found.pooled == ()
    assert by_axis(frame, "optim.weight_decay", "grokked", tuple(axes_of(frame))).pooled == ("optim.lr",)


def test_all_axes_in_one_fit(study):
    normal, _ = fit_all(outcomes(study, SHORT), ("optim.weight_decay", "optim.lr"), "grokked")
    assert set(normal.exponents) == {"optim.weight_decay", "optim.lr"}
    assert normal.exponents["optim.weight_decay"].value < 0
