"""Runs and findings in a notebook: a table that says what they hold, and escapes it."""

from __future__ import annotations

from latebloom.analysis import find_events
from latebloom.analysis.phases import Phase
from latebloom.shown import MOST_WORDS, facts_table
from latebloom.store import Run, open_study
from made_curves import Times, curves, frame, steps
from study_of_ends import finish, study_of_ends


def test_a_run_shows_its_state_and_events(tmp_path):
    finish(tmp_path, "seed-0-x", 900)
    run = next(Run(folder.parent) for folder in tmp_path.rglob("manifest.json"))
    shown = run._repr_html_()
    assert "<td style='text-align:left'>done</td>" in shown
    assert "step 900 (880 to 900)" in shown
    assert "5,000" in shown
    assert "seed-0-x" in shown


def test_a_study_shows_its_axes(tmp_path):
    shown = open_study(study_of_ends(tmp_path, seeds=1))._repr_html_()
    assert "optim.weight_decay" in shown
    assert "0.0, 1.0, 2.0" in shown
    assert "of 7 runs" in shown


def test_findings_show_their_fields():
    event = next(e for e in find_events(frame(steps(), curves(Times(), steps()), None, 0.0)) if e.name == "grokked")
    shown = event._repr_html_()
    assert "Event" in shown
    assert str(event.found.step) in shown
    assert Phase("cleanup", "Cleanup <&>", 3, 9)._repr_html_().count("Cleanup &lt;&amp;&gt;") == 1


def test_long_values_are_cut():
    assert "x" * (MOST_WORDS + 1) not in facts_table("t", [("n", "x" * 1000)])
