"""What the figures and tables of a study show, read back from what was drawn."""

from __future__ import annotations

import itertools

import pytest
from matplotlib.figure import Figure

from latebloom.analysis.end_states import STATES
from latebloom.errors import LatebloomError
from latebloom.views.inks import STATE_COLOURS, inks, save
from latebloom.views.study_text import MARKS
from study_of_ends import study_of_ends


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


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


def test_files(tmp_path):
    figure = Figure()
    figure.subplots().plot([1, 2])
    for name in ("a.png", "a.svg", "b.svg", "a.pdf"):
        save(figure, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(LatebloomError, match=r"ends in \.png, \.svg, \.pdf, got .*a\.gif"):
        save(figure, tmp_path / "a.gif")
    with pytest.raises(LatebloomError, match="cannot be written"):
        save(figure, tmp_path / "missing" / "a.png")


def test_commands(command, tmp_path):
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
