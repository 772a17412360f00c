"""What the figures and tables of a study show, read back from what was drawn."""

from __future__ import annotations

import io
import itertools
import json

import polars as pl
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from latebloom.analysis.end_states import STATES
from latebloom.analysis.outcomes import outcomes
from latebloom.analysis.statistics import Effect, Estimate, by_axis, exact
from latebloom.errors import LatebloomError
from latebloom.store import open_study
from latebloom.views.inks import STATE_COLOURS, inks, save
from latebloom.views.study_text import MARKS, effect, estimate, medians_table, none_line
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
    # a decay of 0 never groks here
    assert "not reached" in out
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


def test_of_an_event_that_no_run_has_had_one_line_is_said(command, tmp_path):
    frame = outcomes(open_study(study_of_ends(tmp_path / "runs")))
    never = frame.filter(frame["optim.weight_decay"] == 0.0)
    never.write_parquet("none.parquet")
    code, out, _ = command("statistics", "none.parquet")
    told = " ".join(out.split())
    assert code == 0
    assert told.startswith(
        f"none of {never.height} runs has grokked by its last step (5,000), so that there is nothing"
    )
    assert told.endswith("in 6 evaluations in a row, late or not")
    # the same of another event, which they have had, and for programs all of it
    assert "median step, memorised" in command("statistics", "none.parquet", "--event", "memorised")[1]
    assert json.loads(command("statistics", "none.parquet", "--json")[1])["axes"][0]["medians"][0]["seen"] == 0


def test_last_steps_are_a_range_where_runs_end_apart():
    told = none_line("memorised", exact([300, 2000], censored=[True, True]))
    assert told.startswith("none of 2 runs has memorised by its last step (300 to 2,000), so")
    assert none_line("grokked", exact([50], censored=[True])).startswith("the only run has not grokked by its last")
    assert none_line("grokked", exact([])) == "no run tells whether it has grokked"


def test_open_ends_are_said():
    steps = {"grokked.step": [50, 60, None, None], "grokked.after": [49, 59, None, None]}
    rows = {"seed": range(4), "a": [1] * 4, **steps, "grokked.censored_at": [None, None, 900, 900]}
    found = by_axis(pl.DataFrame(rows), "a", "grokked")
    console = Console(file=io.StringIO(), width=200)
    console.print(medians_table(found))
    told = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert found.medians[0].high is None
    assert f"{found.medians[0].low:,.0f} … ∞" in told
    assert estimate(Estimate(0.5, None, None, 0.75)) == "0.50 [open, 0.75]"
    assert effect(Effect("ratio", 2.0, 1.0, None, 0.95)) == "2.00 [1.00, open]"


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
