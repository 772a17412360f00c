"""The tables of docs/phases.md say what the stored outcomes say."""

from __future__ import annotations

import json

import pytest

from page_scripts import page_script


@pytest.fixture(scope="module")
def made():
    return page_script("mainline_page")


def test_the_tables_are_those_of_the_stored_outcomes(made):
    page, rows = made.PAGE.read_text("utf-8"), json.loads(made.RESULTS.read_text("utf-8"))
    assert made.section(rows) in page, "run `python studies/mainline_page.py`"
    assert made.IMAGE.is_file()
    assert len({row["seed"] for row in rows}) == len(rows) >= 5


def test_scaling_by_hand(made):
    crossing = {"step": 7000, "interval": [6900, 7100], "others": []}
    row = {
        "seed": 0,
        "anchors": {made.FIRST: 5104},
        "live": {"cleanup-started": {"step": None, "reason": "none yet"}, "cleanup-ended": crossing},
        "final": {},
    }
    assert made.scale(row) == 0.5
    assert made.difference(row, "cleanup ends") == 0
    assert made.difference(row, "cleanup ends", None) == -7000
    assert made.difference(row, "cleanup ends", step=7600) == 600
    assert made.cell(row, "cleanup starts") == "not found: none yet"
    crossing["step"] = 7700
    # within 1000 of the run's steps, and not of the mainline's
    assert (made.difference(row, "cleanup ends"), made.of_mainline(row, "cleanup ends")) == (700, 1400)
    assert made.cell(row, "cleanup ends") == "7,700 [6,900 … 7,100]; +0.70 k"
    crossing["step"] = 8100
    assert made.cell(row, "cleanup ends").endswith("+1.10 k, **no**")
    assert made.counted([0.0, 1001.0, None]) == "1 of 3; +0.50 k"
