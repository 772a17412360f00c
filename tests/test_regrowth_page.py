"""The page of what grows again says what the stored outcomes say."""

from __future__ import annotations

import json

import polars as pl
import pytest

from latebloom.analysis.surgery import surgery_of
from latebloom.forks import surgery_named
from page_scripts import page_script


@pytest.fixture(scope="module")
def made():
    return page_script("regrowth_page")


def test_the_page_is_that_of_the_stored_outcomes(made):
    rows = json.loads(made.RESULTS.read_text("utf-8"))
    assert made.PAGE.read_text("utf-8") == made.page(rows), "run `python studies/regrowth_page.py`"
    assert "{" not in made.page(rows)
    assert made.IMAGE.is_file()
    assert surgery_of(surgery_named(made.PLAN["change"][0]["surgery"]))


def test_five_seeds_stand_behind_every_moment(made):
    rows = json.loads(made.RESULTS.read_text("utf-8"))
    assert all(len({row["seed"] for row in members}) >= 5 for members in made.moments(rows).values())
    for row in rows:
        # the twin has a row where the parent logged one, the fork one at its beginning too
        assert row["fork"]["after"][0] == 0 <= row["twin"]["after"][0] <= 20
        assert row["fork"]["after"][-1] == made.PLAN["steps"] <= row["twin"]["after"][-1] + 20


def test_when_a_level_is_back(made):
    steps = list(range(100, 400, 20))
    values = [0.2, 0.99, 0.3, *[0.96] * 12]
    frame = pl.DataFrame({"step": steps, "test_accuracy": values})
    assert made.first(frame, "test_accuracy", 0.95, 100) == 60
    assert made.first(frame[:8], "test_accuracy", 0.95, 100) is None
    assert made.middle([60, None, 40], 0) == "60 [40 … 60]; 1 of 3 never"
    assert made.middle([None, None], 0) == "never (2 seeds)"
