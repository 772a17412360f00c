"""Studies in a browser: maps, their cells, and the runs behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import latebloom
from browsing import User, needs_browser
from dashboard_runs import cut_to_one_axis
from latebloom.analysis.outcomes import outcomes
from latebloom.views.study_text import MARKS

pytestmark = needs_browser


def test_a_study_is_a_map_whose_cells_open_their_runs(user: Callable[..., User]) -> None:
    one = user()
    one.go("/studies")
    one.page.click("tbody a")
    one.wait("document.querySelectorAll('.study-map button').length === 4")
    assert one.text("#name") == "decay-study"
    one.page.select_option("[name=show]", "outcome")
    labels = one.page.eval_on_selector_all(".study-map button", "bs => bs.map(b => b.getAttribute('aria-label'))")
    assert sum("not finished" in label for label in labels) == 1
    one.page.locator(".study-map button").first.click()
    one.wait("document.querySelectorAll('#cell tbody tr').length === 2")
    address = one.page.url
    again = user()
    again.page.goto(address)
    again.wait("document.querySelectorAll('#cell tbody tr').length === 2")
    assert again.text("#cell") == one.text("#cell")
    one.page.select_option("[name=show]", "memorised")
    one.wait("document.querySelector('#legend').textContent.includes('step')")
    again.page.locator("#cell a").first.click()
    again.wait("document.querySelector('#loss svg') !== null")


def test_a_study_of_one_axis_is_a_row(user: Callable[..., User], root: Path) -> None:
    cut_to_one_axis(root / "decay-study")
    one = user()
    one.go("/study/decay-study")
    one.wait("document.querySelectorAll('.study-map button').length === 2")
    labels = one.page.eval_on_selector_all(".study-map button", "bs => bs.map(b => b.getAttribute('aria-label'))")
    assert [label.partition(":")[0] for label in labels] == ["optim.weight_decay 0.5", "optim.weight_decay 1"]
    one.page.locator(".study-map button").first.click()
    assert one.page.locator("#cell tbody tr").count() == 4


def test_runs_are_pooled_over_an_axis_and_the_address_keeps_it(user: Callable[..., User]) -> None:
    one = user()
    one.go("/study/decay-study")
    one.wait("document.querySelectorAll('.study-map button').length === 4")
    one.page.select_option("[name=y]", "all runs")
    one.wait("document.querySelectorAll('.study-map button').length === 2")
    one.page.reload()
    one.wait("document.querySelectorAll('.study-map button').length === 2")


def test_a_studys_map_shows_end_states_with_a_legend(user: Callable[..., User], root: Path) -> None:
    one = user()
    one.go("/study/decay-study")
    one.wait("document.querySelectorAll('.study-map button').length === 4")
    frame = outcomes(latebloom.open_study(root / "decay-study"))
    ends = set(frame["end_state"])
    for state in ends:
        assert f"{MARKS[state]} {state}" in one.text("#legend")
    labels = one.page.eval_on_selector_all(".study-map button", "bs => bs.map(b => b.getAttribute('aria-label'))")
    told = [(int(n), state) for label in labels for n, state in re.findall(r"(\d+) ([a-z-]+)", label.split(": ")[1])]
    assert sum(n for n, state in told if state in ends) == frame.height
    one.page.locator(".study-map button").first.click()
    one.wait("document.querySelectorAll('#cell tbody tr').length === 2")
    assert any(state in one.text("#cell tbody") for state in ends)
