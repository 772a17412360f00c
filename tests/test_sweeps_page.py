"""The page of the sweeps says what the stored outcomes say: its text is made again, number by number."""

from __future__ import annotations

import re

import pytest

from page_scripts import page_script

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture(scope="module")
def made():
    return page_script("page")


def numbers(text):
    return [float(n.rstrip(",").replace(",", "")) for n in NUMBER.findall(text)]


def test_the_page_is_that_of_the_stored_outcomes(made):
    page, again = made.PAGE.read_text("utf-8"), made.page()
    assert NUMBER.sub("#", page) == NUMBER.sub("#", again), "run `python studies/page.py`"
    # to a few per cent: optimisers end a little elsewhere on other machines
    assert numbers(page) == pytest.approx(numbers(again), rel=0.03, abs=0.02)


def test_its_images_are_there_and_its_data_is_small(made):
    page = made.PAGE.read_text("utf-8")
    images = re.findall(r"\]\((images/[^)]+)\)", page)
    assert len(images) == 6
    for image in images:
        assert (made.PAGE.parent / image).is_file()
    for name in made.STUDIES:
        assert (made.RESULTS / f"{name}.parquet").stat().st_size < 200_000


def test_the_sweeps_are_as_large_as_asked(made):
    decay, fraction = (made.stored(name) for name in ("lambda", "fraction"))
    for frame, axis in ((decay, "optim.weight_decay"), (fraction, "split.fraction")):
        assert frame.group_by(axis).len()["len"].min() >= 5
    assert decay["optim.weight_decay"].n_unique() >= 6
    assert fraction["split.fraction"].n_unique() >= 5
    found = made.diagram()
    assert len(found.xs) >= 8
    assert len(found.ys) >= 8
    assert len(found.cells) == len(found.xs) * len(found.ys)
    assert made.least(found) >= 3
