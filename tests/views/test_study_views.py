"""What the figures and tables of a study show, read back from what was drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from latebloom.analysis.diagram import phase_diagram
from latebloom.analysis.end_states import STATES, Thresholds
from latebloom.analysis.outcomes import outcomes
from latebloom.analysis.statistics import exact, fit_power_law
from latebloom.errors import LatebloomError
from latebloom.store import open_study
from latebloom.views.inks import STATE_COLOURS, inks
from latebloom.views.study_figures import diagram_figure, save, scaling_figure, survival_figure
from latebloom.views.study_text import MARKS, cell_text
from study_of_ends import study_of_ends


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return outcomes(open_study(study_of_ends(tmp_path_factory.mktemp("runs"))), Thresholds(budget=5000))


def texts(axes):
    return [text.get_text() for text in axes.texts]


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_survival_figure_shows_curves_censoring_and_numbers_at_risk():
    groups = [("λ = 1", exact([100, 200, 400])), ("λ = 0", exact([5000, 5000], [True, True]))]
    figure = survival_figure(groups, "grokked", "When runs grok")
    top, bottom = figure.axes
    curve = top.lines[0].get_xydata()
    assert curve[-1].tolist() == [400, 0]
    assert ("+", [5000.0], [1.0]) in [(line.get_marker(), *map(list, line.get_data())) for line in top.lines]
    assert "log scale" in top.get_xlabel()
    ticks = top.get_xticks().tolist()
    at_risk = [int(t) for t in texts(bottom) if t.isdigit()]
    expected = [sum(known >= tick for known in group.known) for _, group in groups for tick in ticks]
    assert at_risk == expected
    assert {"λ = 1", "λ = 0"} <= set(texts(bottom))


def test_groups_without_runs_are_left_out():
    figure = survival_figure([("λ = 1", exact([100, 200])), ("λ = 2", exact([]))], "grokked", "When runs grok")
    assert "λ = 2" not in texts(figure.axes[1])
    with pytest.raises(LatebloomError, match="expected runs that tell when they are grokked, got none"):
        survival_figure([("λ = 2", exact([]))], "grokked", "When runs grok")


def test_scaling_figure_marks_the_censored():
    x = np.array([0.1, 0.1, 1.0, 1.0, 2.0])
    times = exact([9000, 9000, 1000, 900, 450], [True, False, False, False, False])
    figure = scaling_figure(x, times, fit_power_law(times, {"λ": x}), "λ", "grokked", "T against λ")
    (axes,) = figure.axes
    drawn = {line.get_marker(): line.get_ydata() for line in axes.lines}
    assert sorted(drawn["o"]) == [450, 900, 1000, 9000]
    assert drawn["^"].tolist() == [9000]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    labels = [t.get_text() for t in axes.get_legend().get_texts()]
    assert any(label.startswith("T ∝ λ^") for label in labels)


def test_diagram_stripes_and_seeds(frame):
    diagram = phase_diagram(frame, "weight_decay", "lr")
    (axes,) = diagram_figure(diagram).axes
    assert len(axes.texts) == len(diagram.cells)
    mixed = diagram.cell(2.0, 0.01)
    assert cell_text(mixed, "state") == "3C 1!"
    widths = [patch.get_width() for patch in axes.patches if patch.get_width() < 1]
    assert widths == [0.75, 0.25]
    assert cell_text(diagram.cell(0.0, 0.001), "grokked") == "0/4"
    assert cell_text(diagram.cell(1.0, 0.001), "grokked") == "2,540"
    for show in ("grokked", "delay"):
        assert len(diagram_figure(diagram, show).axes[0].patches) == len(diagram.cells)


def test_dark_and_light(frame):
    figures = [diagram_figure(phase_diagram(frame, "weight_decay", "lr"), dark=dark) for dark in (False, True)]
    grounds = [figure.get_facecolor()[:3] for figure in figures]
    assert np.mean(grounds[0]) > 0.9
    assert np.mean(grounds[1]) < 0.2


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_its_ground(dark):
    colours = inks(dark)
    light, deep = sorted((luminance(colours.paper), luminance(colours.ink)), reverse=True)
    assert (light + 0.05) / (deep + 0.05) > 7


def test_cell_texts_can_be_read_on_every_state():
    ratios = {s: (luminance(c) + 0.05) / (luminance("#111111") + 0.05) for s, c in STATE_COLOURS.items()}
    assert min(ratios.values()) > 4.5, ratios


def test_every_state_has_a_mark_and_a_colour_of_its_own():
    assert set(MARKS) == set(STATE_COLOURS) == set(STATES)
    for one, other in itertools.combinations(STATES, 2):
        assert MARKS[one] != MARKS[other]
        assert STATE_COLOURS[one] != STATE_COLOURS[other]


def test_files(frame, tmp_path):
    figure = diagram_figure(phase_diagram(frame, "weight_decay", "lr"))
    for name in ("a.png", "a.svg", "b.svg", "a.pdf"):
        save(figure, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(LatebloomError, match=r"ends in \.png, \.svg, \.pdf, got .*a\.gif"):
        save(figure, tmp_path / "a.gif")
    with pytest.raises(LatebloomError, match="cannot be written"):
        save(figure, tmp_path / "missing" / "a.png")


def test_commands(command, frame, tmp_path):
    study_of_ends(tmp_path / "runs")
    code, out, _ = command("statistics", "ends", "--by", "weight-decay")
    assert code == 0
    assert "median step, grokked" in out
    assert "log-rank over all values: χ²" in out
    assert "log-normal: T ∝ optim.weight_decay^" in out
    assert "pooled over optim.lr" in out
    code, out, _ = command("statistics", "ends", "--json")
    assert code == 0
    assert '"axis": "optim.lr"' in out
    code, out, _ = command("diagram", "ends", "weight-decay", "lr", "--budget", "5000", "-o", "map.png")
    assert code == 0
    assert "4M" in out
    assert "within 5,000 steps (Liu et al. 2022: 100,000)" in out
    assert (tmp_path / "map.png").is_file()
    code, out, _ = command("diagram", "ends", "weight-decay", "lr", "--show", "delay")
    assert "steps from memorising to grokking" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("statistics", "nothing"), "is no study"),
        (("statistics", "ends", "--by", "width"), "expected an axis among"),
        (("diagram", "ends", "lr", "lr"), "expected two different axes"),
        (("diagram", "ends", "lr", "weight-decay", "--budget", "0"), "--budget: expected 1 step or more"),
        (("diagram", "ends", "lr", "weight-decay", "-o", "x.gif"), "expected a file name that ends in"),
        (("statistics", "gone.parquet"), "cannot be read as Parquet"),
    ],
)
def test_faults_are_one_message(command, tmp_path, words, message):
    study_of_ends(tmp_path / "runs", seeds=1)
    code, _, err = command(*words)
    assert code == 2
    assert message in err
