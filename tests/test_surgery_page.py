"""The page of surgeries says what the stored outcomes say."""

from __future__ import annotations

import json
import re

import pytest

from latebloom.analysis.surgery import surgery_of
from latebloom.forks import surgery_named
from page_scripts import page_script


@pytest.fixture(scope="module")
def made():
    return page_script("surgery_page")


def test_the_page_is_that_of_the_stored_outcomes(made):
    page = made.PAGE.read_text("utf-8")
    assert page == made.page(), "run `python studies/surgery_page.py`"
    assert "{" not in page
    for image in re.findall(r"\]\((images/[^)]+)\)", page):
        assert (made.PAGE.parent / image).is_file()


def test_five_seeds_stand_behind_every_cell(made):
    rows, cost = json.loads(made.COST.read_text("utf-8")), page_script("surgery_cost")
    cells = {(r["surgery"], r["moment"]) for r in rows}
    assert cells == {(name, moment) for name in cost.SURGERIES for moment in cost.MOMENTS}
    for cell in cells:
        assert len({r["seed"] for r in rows if (r["surgery"], r["moment"]) == cell}) >= 5


def test_the_surgeries_that_are_asked_for_exist(made):
    cost = page_script("surgery_cost")
    for table in cost.SURGERIES.values():
        assert not table or surgery_of(table)
    for change in made.PLAN["change"]:
        assert surgery_of(surgery_named(change["surgery"]))
