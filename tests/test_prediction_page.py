"""The page of predictors says what the stored results say, and its study has runs of both kinds in each setting."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest

from latebloom.analysis.prediction import BASELINES
from latebloom.analysis.statistics.discrimination import Share, by_outcome, edge, share
from latebloom.studies.expand import plan_of
from page_scripts import STUDIES, page_script


@pytest.fixture(scope="module")
def made():
    return page_script("prediction_page")


@pytest.fixture(scope="module")
def text(made):
    return made.page()


def test_the_page_is_that_of_the_stored_results(made, text):
    assert made.PAGE.read_text("utf-8") == text, "run `python studies/prediction_page.py`"
    assert "{" not in text
    assert not re.search(r"\bnan\b", text)
    assert made.IMAGE.is_file()


def test_the_stored_runs_are_those_of_the_study(made):
    runs = pl.read_parquet(made.OUTCOMES)
    specs = plan_of(STUDIES / "prediction.toml").specs
    assert runs.height == len(specs) == made.STUDY["seeds"] * len(made.STUDY["axes"]["optim"]["weight_decay"])
    assert set(pl.read_parquet(made.RESULTS)["run"]) == set(runs["run"])
    mixed = runs.group_by(made.DECAY).agg(pl.col("grokked.step").null_count().alias("stay"), pl.len())
    assert all(0 < stay < count for stay, count in mixed.select("stay", "len").iter_rows())


def test_baselines_stand_first_and_all_are_there(made):
    shown = [name for name, _ in made.rows()]
    assert set(shown[: len(BASELINES)]) == set(BASELINES)
    assert shown[len(BASELINES)] == made.SETTING


def test_nothing_later_than_the_moment_is_read(made):
    """Rows after the moment are struck out, and no forecast changes."""
    for run in made.ours():
        moment = run.memorised + made.AFTER
        cut = type(run)(
            **{**vars(run), "measures": {k: np.where(run.steps <= moment, v, 99.0) for k, v in run.measures.items()}}
        )
        for name, rule in made.rows():
            if name != made.SETTING:
                predictor = made.Predictor(name, rule, made.WINDOW)
                assert predictor.read(cut, moment) == pytest.approx(predictor.read(run, moment), nan_ok=True)


def test_words_of_numbers(made):
    assert made.two(Share(0.123, -0.001, 0.5, 4, 1.0)) == "0.12 [0.00 … 0.50]"
    assert made.two(Share(float("nan"), float("nan"), float("nan"), 0, 0.0)) == "–"
    assert made.chance(float("nan")) == "–"
    assert made.words("gini_raw_weights", "slope") == r"Gini of raw \|w\|, slope"


def test_auroc_of_test_loss_is_that_of_its_pairs_counted(made, text):
    found = made.told("test_loss")
    came, number = found.came, found.number
    won = [float(x > y) + 0.5 * (x == y) for x in number[came] for y in number[~came]]
    pairs = by_outcome(number, came, found.left.seed, found.group)
    assert share(pairs).value == pytest.approx(np.mean(won))
    assert made.two(share(found.whether)) in text


def test_what_the_findings_say_of_baselines(made):
    """The sentences that no number is filled into."""
    for name, rule in made.rows():
        over = edge(made.told(name, rule=rule).when.within(), made.told("weight_norm_sq").when.within())
        assert over.low <= 0 <= over.high
        over = edge(made.told(name, rule=rule).when.within(), made.told("test_loss").when.within())
        assert over.value <= 0
    turned = {
        (name, rule): abs(share(made.told(name, rule=rule).when.within()).value - 0.5)
        for name in made.SLOPES
        for rule in ("value", "slope")
    }
    assert sum(turned[name, "slope"] < turned[name, "value"] for name in made.SLOPES) == 4
    for name in ("test_loss", "weight_norm_sq"):
        assert made.alarm(name).youden_high < 0
