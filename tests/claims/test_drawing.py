"""Figures of findings: what is drawn is what was counted, and a reader is told what each mark means."""

import math

import numpy as np
import polars as pl
import pytest
from matplotlib.patches import Rectangle

from latebloom.claims.drawing import BLUE, LEARNT, RED, Line, Panel, Span, aligned, curves_figure, marked
from latebloom.claims.points import Group, points_figure
from latebloom.claims.results import Part


@pytest.fixture
def part():
    runs = pl.DataFrame(
        {
            "run": ["a", "b"],
            "memorised.step": [10, 20],
            "grokked.step": [80, None],
            "cleanup-started.step": [60, None],
            "cleanup-ended.step": [90, None],
        }
    )
    steps = [*range(0, 101, 10)] * 2
    curves = pl.DataFrame(
        {"run": ["a"] * 11 + ["b"] * 11, "step": steps, "test_accuracy": np.linspace(0, 1, 22).tolist()}
    )
    return Part(runs, curves, {"axes": []})


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(ax, marker):
    """The points of each line with this marker; those of the legend have none."""
    found = [np.asarray(line.get_xydata()).tolist() for line in ax.lines if line.get_marker() == marker]
    return [points for points in found if points]


def heights(lines):
    return [[y for _, y in points] for points in lines]


ACCURACY = (Line("test_accuracy", "test accuracy", BLUE),)


def test_events_and_bounds_are_marked_and_told(part):
    figure = curves_figure([Panel("all", part, ACCURACY, "accuracy", bounds=LEARNT)], "title")
    (ax,) = figure.axes
    (memorised,), (grokked,) = drawn(ax, "o"), drawn(ax, "^")
    assert [x for x, _ in memorised] == [10, 20]
    assert [x for x, _ in grokked] == [80]
    told = legend(figure)
    assert told[0] == "test accuracy"
    assert {"accuracy of 0.95", "a run has generalised (test accuracy ≥ 0.95)"} < set(told)
    assert len(told) == len(set(told)) == 4


def test_an_event_that_no_run_has_is_not_in_the_legend(part):
    only = Part(part.runs.filter(pl.col("run") == "b"), part.curves, part.facts)
    assert not any("generalised" in text for text in legend(curves_figure([Panel("", only, ACCURACY, "y")], "t")))


def test_one_more_event_is_found_in_row_and_curve(part):
    found = marked(part, "dropped", lambda row, curve: math.nan if row["run"] == "b" else curve["step"][-1])
    assert found.runs["dropped.step"].to_list() == [100, None]


def test_aligned_runs_have_all_their_events_counted_from_one(part):
    found = aligned(part, "grokked")
    assert found.runs["run"].to_list() == ["a"]
    assert found.runs.select("memorised.step", "grokked.step", "cleanup-ended.step").row(0) == (-70, 0, 10)
    assert found.curves["step"].to_list() == [*range(-80, 21, 10)]


def test_phases_are_shaded_in_the_runs_that_have_both_ends(part):
    span = Span("cleanup-started", "cleanup-ended", "cleanup", RED)
    figure = curves_figure([Panel("", part, ACCURACY, "y", spans=(span,))], "t")
    (patch,) = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    assert (patch.get_x(), patch.get_width()) == (60, 30)
    assert "cleanup" in legend(figure)


def test_rows_of_one_label_share_their_axis(part):
    panels = [Panel("", part, ACCURACY, y) for y in ("one", "one", "other", "other")]
    axes = curves_figure(panels, "t", columns=2).axes
    assert [axes[0].get_shared_y_axes().joined(axes[0], ax) for ax in axes[1:]] == [True, False, False]
    assert [ax.get_ylabel() for ax in axes] == ["one", "", "other", ""]


def test_the_censored_stand_at_their_last_step_and_count_as_later():
    groups = [Group("few", [100, 300, 200], [500, 500]), Group("most", [100], [500, 500]), Group("none", [], [500])]
    figure = points_figure(groups, "steps", "t", log_y=True)
    (ax,) = figure.axes
    assert heights(drawn(ax, "o")) == [[100, 300, 200], [100]]
    assert heights(drawn(ax, "^")) == [[500, 500], [500, 500], [500]]
    # the median of five of which two are later; not reached in the others
    assert heights(drawn(ax, "None")) == [[300, 300]]
    assert legend(figure) == ["a run", "not by its last step", "median"]
    assert "10^" not in "".join(label.get_text() for label in ax.get_yticklabels())


def test_a_law_and_bounds_are_told():
    groups = [Group("1", [4.0, 6.0]), Group("2", [2.0])]
    figure = points_figure(groups, "y", "t", bounds=((3.0, "3: half"),), fit=("y ∝ x^−1", [5.0, 2.5]))
    assert legend(figure) == ["y ∝ x^−1", "3: half", "a run", "mean"]
    assert [5.0, 5.0] in heights(drawn(figure.axes[0], "None"))
