"""A fork's report shows it beside its twin: the same numbers as the comparison's."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from latebloom.analysis.forked import compare
from latebloom.views import beside, render_report, report
from latebloom.views.figures import LESS, TWIN
from parsed import Page

MakeRun = Callable[..., Any]
STEP = 1000


@pytest.fixture
def pair(make_run: MakeRun) -> tuple[Any, Any]:
    """A fork that never generalises after step 1000, with a row less than its twin, which goes on for longer."""
    twin = make_run(id="seed-0-twin", last=3000)
    rows = make_run(last=2400).scalars
    stays = rows.filter(pl.col("step") == STEP)["test_accuracy"][0]
    rows = rows.with_columns(
        pl.when(pl.col("step") > STEP).then(stays).otherwise(pl.col("test_accuracy")).alias("test_accuracy"),
        pl.when(pl.col("step") > STEP).then(pl.col("test_loss") * 3).otherwise("test_loss").alias("test_loss"),
    ).filter(pl.col("step") != 2000)
    facts = {"parent": {"run": "seed-0-twin"}, "step": STEP, "change": "optim.weight_decay=0", "changes": {}}
    facts["twin"] = {"folder": "quick/seed-0-twin", "what": "the parent itself"}
    facts["before"] = {"test_accuracy": stays, "test_loss": 2.0}
    spec = twin.spec | {"fork": {"parent": "0" * 64, "step": STEP}}
    fork = make_run(id="fork-1000-seed-0", scalars=rows, spec=spec, provenance=twin.provenance | {"fork": facts})
    return fork, twin


def test_the_twins_numbers_stand_beside_the_forks(pair: tuple[Any, Any]) -> None:
    fork, twin = pair
    both = beside.with_twin(fork.scalars, twin.scalars)
    assert both["step"].to_list() == fork.scalars["step"].to_list()
    theirs = dict(zip(twin.scalars["step"], twin.scalars["test_accuracy"], strict=True))
    ours = dict(zip(fork.scalars["step"], fork.scalars["test_accuracy"], strict=True))
    for step, value, less in both.select("step", f"test_accuracy{TWIN}", f"test_accuracy{LESS}").iter_rows():
        assert value == theirs[step]
        assert less == ours[step] - theirs[step]
    later = both.filter(pl.col("step") > STEP)
    np.testing.assert_allclose(later[f"test_loss{LESS}"], 3.0, rtol=0.05)


def test_a_step_that_the_twin_lacks_is_left_open(pair: tuple[Any, Any]) -> None:
    fork, twin = pair
    both = beside.with_twin(fork.scalars, twin.scalars.filter(pl.col("step") != 1500))
    row = both.filter(pl.col("step") == 1500)
    assert row[f"test_loss{TWIN}"].to_list() == row[f"test_loss{LESS}"].to_list() == [None]


def test_a_forks_page_says_what_the_comparison_says(pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fork, twin = pair
    monkeypatch.setattr(report, "twin_of", lambda run: twin)
    page = Page(render_report(fork))
    found = compare(fork, twin)
    assert found.parts is not None
    words = page.text
    assert f"They part at step {found.parts // 1000} {found.parts % 1000:03}" in words
    (grokked,) = [shift for shift in found.shifts if shift.event == "grokked"]
    assert grokked.fork is None
    assert grokked.twin is not None
    assert grokked.why in words
    lines = {line["name"] for figure in page.data["figures"] for line in figure["lines"]}
    assert {f"test_accuracy{TWIN}", f"test_accuracy{LESS}", f"test_loss{LESS}"} <= lines
    assert [e["step"] for e in page.data["events"] if e["name"] == "forked"] == [STEP]


def test_a_run_that_is_no_fork_has_no_such_section(make_run: MakeRun) -> None:
    page = Page(render_report(make_run()))
    assert "Beside its twin" not in page.text
    assert not any(name.endswith((TWIN, LESS)) for name in page.data["curves"])


def test_a_twin_that_cannot_be_read_is_said(pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fork, twin = pair

    class Damaged(SimpleNamespace):
        @property
        def scalars(self) -> pl.DataFrame:
            raise report.LatebloomError("its log is damaged")

    monkeypatch.setattr(report, "twin_of", lambda run: Damaged(id=twin.id, spec=twin.spec))
    words = Page(render_report(fork)).text
    assert "It is not shown beside its twin: its log is damaged" in words


def test_odd_facts_of_a_fork_are_said(pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fork, twin = pair
    fork.spec = fork.spec | {"fork": {"step": "soon"}}
    monkeypatch.setattr(report, "twin_of", lambda run: twin)
    assert "its facts are not as latebloom writes them" in Page(render_report(fork)).text


def test_the_twins_worst_is_that_of_the_steps_that_both_have(pair: tuple[Any, Any]) -> None:
    fork, twin = pair
    last = STEP + 50
    fork.scalars = fork.scalars.filter(pl.col("step") <= last)
    falls = pl.when(pl.col("step") > last).then(0.0).otherwise("test_accuracy").alias("test_accuracy")
    twin.scalars = twin.scalars.with_columns(falls)
    found = compare(fork, twin)
    seen = twin.scalars.filter((pl.col("step") > STEP) & (pl.col("step") <= last))["test_accuracy"]
    assert len(seen) > 1
    assert (found.shock, found.cost["test_accuracy"]["twin_worst"]) == (50, seen.min())
