"""The page of the forks says what the stored comparisons say: its text is made again."""

from __future__ import annotations

import dataclasses
import re

import polars as pl
import pytest

from page_scripts import page_script


@pytest.fixture(scope="module")
def made():
    return page_script("forks_page")


def test_the_page_is_that_of_the_stored_results(made):
    found = made.restored((made.RESULTS / "forks.json").read_text("utf-8"))
    assert made.stored(found) == (made.RESULTS / "forks.json").read_text("utf-8")
    text = made.PAGE.read_text("utf-8")
    assert text == made.page(made.ordered(found)), "run `python studies/forks_page.py`"
    images = re.findall(r"\]\((images/[^)]+)\)", text)
    assert images
    assert all((made.PAGE.parent / image).is_file() for image in images)


def test_trained_forks_are_added_and_take_the_place_of_their_own_old_ones(made):
    found = made.restored((made.RESULTS / "forks.json").read_text("utf-8"))
    curves = pl.read_parquet(made.RESULTS / "forks.parquet")
    network, at, one = found[3]
    mine = (
        (pl.col("network") == network)
        & (pl.col("change") == one.change)
        & (pl.col("at") == at)
        & (pl.col("seed") == one.seed)
    )
    new = curves.filter(mine).with_columns(pl.lit(0.5, pl.Float32).alias("test_accuracy"))
    other = (network, at, dataclasses.replace(one, seed=99))
    more = new.with_columns(pl.lit(99, curves["seed"].dtype).alias("seed"))
    together, frame = made.added((found, curves), ([found[3], other], pl.concat([new, more])))
    assert len(together) == len(found) + 1
    assert frame.height == curves.height + more.height
    assert frame.filter(mine)["test_accuracy"].unique().to_list() == [0.5]
    assert frame.filter(~mine & (pl.col("seed") != 99)).equals(curves.filter(~mine))
