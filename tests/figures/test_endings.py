"""Survival curves, scaling and maps of times that are at hand: what is drawn is what was counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latebloom.analysis.diagram import phase_diagram
from latebloom.analysis.end_states import Thresholds
from latebloom.analysis.outcomes import outcomes
from latebloom.analysis.statistics import exact, fit_power_law
from latebloom.errors import LatebloomError
from latebloom.figures.endings import map_of, scaling_of, survival_of
from latebloom.figures.spec import Line, Text, Tile
from latebloom.store import open_study
from latebloom.views.study_text import cell_text
from study_of_ends import study_of_ends


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return outcomes(open_study(study_of_ends(tmp_path_factory.mktemp("runs"))), Thresholds(budget=5000))


def test_survival_shows_curves_censoring_and_numbers_at_risk():
    groups = [("λ = 1", exact([100, 200, 400])), ("λ = 0", exact([5000, 5000], [True, True]))]
    curves, risk = survival_of(groups, "grokked", "When runs grok").panels
    lines = [part for part in curves.parts if isinstance(part, Line)]
    first = next(line for line in lines if line.label == "λ = 1")
    assert (first.x[-1], first.y[-1]) == (400, 0)
    assert [(line.x.tolist(), line.y.tolist()) for line in lines if line.marker == "cross" and len(line.x)] == [
        ([5000.0], [1.0])
    ]
    texts = [part for part in risk.parts if isinstance(part, Text)]
    assert len({text.x for text in texts}) > 3
    for text in texts:
        _, group = groups[int(text.y)]
        assert int(text.words) == sum(known >= text.x for known in group.known)
    assert [label for _, label in risk.y.ticks] == ["λ = 1", "λ = 0"]


def test_groups_without_runs_are_left_out():
    figure = survival_of([("λ = 1", exact([100, 200])), ("λ = 2", exact([]))], "grokked", "When runs grok")
    assert [label for _, label in figure.panels[1].y.ticks] == ["λ = 1"]
    with pytest.raises(LatebloomError, match="expected runs that tell when they are grokked, got none"):
        survival_of([("λ = 2", exact([]))], "grokked", "When runs grok")


def test_scaling_marks_the_censored():
    x = np.array([0.1, 0.1, 1.0, 1.0, 2.0])
    times = exact([9000, 9000, 1000, 900, 450], [True, False, False, False, False])
    (panel,) = scaling_of(x, times, fit_power_law(times, {"λ": x}), "optim.weight_decay", "grokked", "T").panels
    drawn = {line.marker: line for line in panel.parts if isinstance(line, Line)}
    assert sorted(drawn["circle"].y) == [450, 900, 1000, 9000]
    assert drawn["triangle-up"].y.tolist() == [9000]
    assert panel.x.scale == panel.y.scale == "log"
    assert panel.x.title == "weight decay"
    assert drawn[""].label.startswith("steps ∝ weight decay^")


def test_a_map_stripes_cells_by_their_seeds(frame):
    diagram = phase_diagram(frame, "weight_decay", "lr")
    (panel,) = map_of(diagram).panels
    tiles = [part for part in panel.parts if isinstance(part, Tile)]
    assert sum(isinstance(part, Text) for part in panel.parts) == len(diagram.cells)
    assert cell_text(diagram.cell(2.0, 0.01), "state") == "3C 1!"
    assert [tile.width for tile in tiles if tile.width < 1] == [0.75, 0.25]
    assert cell_text(diagram.cell(0.0, 0.001), "grokked") == "0/4"
    assert cell_text(diagram.cell(1.0, 0.001), "grokked") == "2,540"
    for show in ("grokked", "delay"):
        (panel,) = map_of(diagram, show).panels
        assert sum(isinstance(part, Tile) for part in panel.parts) == len(diagram.cells)


def test_a_map_says_which_study_it_is_of_and_what_its_axes_are(frame):
    diagram = phase_diagram(frame, "weight_decay", "lr")
    figure = map_of(diagram, study="ends")
    assert figure.title == "Study ends: end states within 5,000 steps"
    assert [axis.title for axis in (figure.panels[0].x, figure.panels[0].y)] == ["weight decay", "learning rate"]
    assert map_of(diagram, "delay").title.startswith("Median steps from memorising")
    named = map_of(replace(diagram, x="task.name", y="model.name")).panels[0]
    assert (named.x.title, named.y.title) == ("task.name", "model.name")
