from __future__ import annotations

import pytest

from latebloom.analysis.diagram import phase_diagram
from latebloom.analysis.end_states import Thresholds
from latebloom.analysis.outcomes import axes_of, axis_named, outcomes
from latebloom.analysis.statistics import times_of
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


def test_a_short_study_is_unclear_by_the_papers_budget(study):
    found = outcomes(study)
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
