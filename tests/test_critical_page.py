"""The page of the critical size says what the stored curves say, by rules with known answers."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from latebloom.forks.plan import read_plan
from latebloom.studies.expand import plan_of
from page_scripts import page_script

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def made():
    return page_script("critical_page")


def test_the_page_is_that_of_the_stored_curves(made):
    curves = pl.read_parquet(made.RESULTS)
    assert made.PAGE.read_text("utf-8") == made.page(curves), "run `python studies/critical_page.py`"
    assert "{" not in made.page(curves)
    assert made.IMAGE.is_file()


def test_every_size_has_its_seeds_on_both_sides(made):
    found = made.ends(pl.read_parquet(made.RESULTS))
    shares = made.STUDY["axes"]["split"]["fraction"]
    assert made.sizes(found, "scratch") == shares
    assert made.sizes(found, "fork") == [0.1, *(share for share in shares if share < max(shares))]
    for side in made.SIDES:
        assert all(len(made.of(found, side, share)) == made.STUDY["seeds"] for share in made.sizes(found, side))


def test_the_forks_have_the_sizes_of_the_study(made):
    plan = read_plan(ROOT / "studies/critical-forks.toml", ())
    forked = {part.changes[0].settings["split.fraction"] for part in plan.parts}
    assert {share for share in made.STUDY["axes"]["split"]["fraction"] if share < made._most()} < forked
    assert plan_of(ROOT / "studies/critical.toml").specs


def curve(side: str, fraction: float, seed: int, values: list[float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "side": side,
            "fraction": fraction,
            "seed": seed,
            "after": range(0, 10 * len(values), 10),
            "accuracy": values,
            "memorised": 1.0,
        }
    )


def test_an_end_is_the_median_of_the_last_rows_and_drift_is_since_half(made):
    values = [0.0] * 5 + [0.2] * 6 + [0.4] * 4 + [0.6] * 6
    values[-2] = 0.0
    (end,) = made.ends(curve("scratch", 0.3, 1, values))
    assert (end.fraction, end.seed) == (0.3, 1)
    assert end.accuracy == pytest.approx(0.6)
    assert end.drift == pytest.approx(0.4)


def test_where_a_seed_crosses_a_half(made):
    frames = [curve("fork", x, 0, [y] * 20) for x, y in ((0.1, 0.0), (0.2, 0.2), (0.3, 0.6), (0.4, 1.0))]
    found = made.ends(pl.concat([*frames, curve("fork", 0.1, 1, [0.9] * 20)]))
    assert made.crossing(found, "fork", 0) == pytest.approx(0.2 + 0.1 * 0.3 / 0.4)
    assert made.crossing(found, "fork", 1) is None
    assert made.crossing(found, "scratch", 0) is None


def test_the_interval_over_seeds(made):
    assert made.told([0.1, 0.2, 0.3, 0.4, 0.5]) == "0.30 [0.10 … 0.50]"
    assert made.told([-0.001, -0.002, 0.0]) == "0.00 [0.00 … 0.00]"
    assert made.told([]) == "–"
