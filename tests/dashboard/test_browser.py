"""The dashboard in a browser: what a user does with it, with no error and no request to anywhere else."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from browsing import User, needs_browser
from dashboard_runs import make_run

pytestmark = needs_browser

NAMES = "[...document.querySelectorAll('.runs tbody th a[href^=\"/run/\"]')].map(a => a.textContent)"


def rows(n: int) -> str:
    return f"document.querySelectorAll('.runs tbody tr').length === {n}"


def test_the_list_is_filtered_sorted_and_shared(user: Callable[..., User]) -> None:
    one = user()
    one.go("/")
    one.wait(rows(11))
    one.wait("document.querySelectorAll('.curve svg').length === 11")
    one.page.select_option("[name=group]", "decay-study")
    one.wait(rows(7))
    one.page.select_option("[name=group]", "")
    one.wait(rows(11))
    one.page.fill("input[name=q]", "pair/seed")
    one.wait(rows(2))
    one.page.click("th[data-sort=run] button")
    one.wait("document.querySelector('th[data-sort=run]').getAttribute('aria-sort') === 'ascending'")
    up = one.page.evaluate(NAMES)
    one.page.click("th[data-sort=run] button")
    one.wait("document.querySelector('th[data-sort=run]').getAttribute('aria-sort') === 'descending'")
    one.until(lambda: one.page.evaluate(NAMES) == up[::-1], "the other way round")
    assert up == sorted(up)
    again = user()
    again.page.goto(one.page.url)
    again.wait(rows(2))
    assert again.page.evaluate(NAMES) == up[::-1]
    assert again.page.input_value("input[name=q]") == "pair/seed"
    one.page.click("text=/failed 1/")
    one.wait("document.querySelector('#said').textContent.includes('No run fits')")
    one.page.go_back()
    one.wait(rows(2))
    one.page.click(".runs tbody th a")
    one.page.wait_for_url(f"**/run/{up[-1]}")
    one.wait("document.querySelector('#loss svg') !== null")


def test_every_definition_is_one_hover_away(user: Callable[..., User], root: Path) -> None:
    one = user()
    one.go(f"/run/pair/{next(iter(root.glob('pair/seed-0*'))).name}")
    one.wait("document.querySelectorAll('#heads .tile canvas').length === 2")

    def shown() -> bool:
        # the page below may still grow, which moves what the pointer is over
        one.page.mouse.move(5, 5)
        one.page.hover("#loss .about")
        return one.page.is_visible("#about-loss")

    assert not one.page.is_visible("#about-loss")
    one.until(shown, "the definition of the loss")
    assert "log" in one.text("#about-loss")
    # of the other figures: each title has a definition, with a formula and a unit
    told = one.page.evaluate(
        """[...document.querySelectorAll('main figure .about')].map(a => {
          const tip = document.getElementById(a.getAttribute('aria-describedby') ?? '');
          return [a.textContent, tip?.querySelector('.formula')?.textContent ?? '', tip?.textContent ?? ''];
        })"""
    )
    assert len(told) > 20
    assert [title for title, formula, words in told if not formula or "units" not in words] == []


def test_open_a_neuron_and_share_the_address(user: Callable[..., User], root: Path) -> None:
    folder = next(iter(root.glob("pair/seed-0*"))).name
    one = user()
    one.go(f"/run/pair/{folder}?step=40&neuron=3")
    whole = "document.querySelector('#inside-said').textContent === ''"
    one.wait("document.querySelector('#neuron .legend').textContent.includes('step 40')")
    # the scale of a map is that of all checkpoints, so it may still change until they are here
    one.wait(whole)
    third = one.pixels("#neuron .tile canvas")
    one.page.fill("[name=neuron]", "5")
    one.wait("new URLSearchParams(location.search).get('neuron') === '5'")
    one.wait(whole)
    one.until(lambda: one.pixels("#neuron .tile canvas") != third, "another neuron is drawn")
    # 24 neurons are 7 across and 4 down
    cells = one.page.locator("#neurons .map-host > canvas")
    box = cells.bounding_box()
    cells.click(position={"x": box["width"] * 3.5 / 7, "y": box["height"] * 0.5 / 4})
    one.wait("new URLSearchParams(location.search).get('neuron') === '3'")
    one.wait(whole)
    assert one.page.input_value("[name=neuron]") == "3"
    one.until(lambda: one.pixels("#neuron .tile canvas") == third, "neuron 3 is drawn again")
    cells.click(position={"x": box["width"] * 2.5 / 7, "y": box["height"] * 3.5 / 4})
    one.wait("new URLSearchParams(location.search).get('neuron') === '23'")
    one.page.fill("[name=neuron]", "3")
    one.wait("new URLSearchParams(location.search).get('neuron') === '3'")
    one.wait(whole)
    said = {s: one.text(s) for s in ("#now", "#neuron .legend", "#loss .legend")}
    again = user()
    again.page.goto(one.page.url)
    again.wait("document.querySelector('#neuron .legend').textContent.includes('step 40')")
    again.wait(whole)
    again.until(lambda: {s: again.text(s) for s in said} == said, "the same words")
    again.until(lambda: again.pixels("#neuron .tile canvas") == third, "the same picture")


def test_compare_two_runs_on_a_step_and_on_an_event(user: Callable[..., User], root: Path) -> None:
    folders = [make_run(root, "early", 100, 300), make_run(root, "late", 200, 600)]
    one = user()
    one.go("/?group=made&sort=run&descending=false")
    one.wait(rows(2))
    for box in one.page.locator(".runs tbody input").all():
        box.check()
    one.page.click("#compare")
    one.wait("document.querySelectorAll('#figures figure').length === 4")
    lines = "[...document.querySelectorAll('#figures figure:first-of-type .run-line')]"
    assert one.page.evaluate(f"{lines}.map(p => p.textContent)") == folders

    def jumps() -> list[float]:
        """Where each run's training loss falls, in pixels."""
        paths = one.page.evaluate(f"{lines}.map(p => p.getAttribute('d'))")
        return [_jump(path) for path in paths]

    apart = jumps()
    assert apart[1] - apart[0] > 20
    options = one.page.eval_on_selector_all("[name=align] option", "os => os.map(o => o.value)")
    assert {"memorised", "grokked"} <= set(options)
    one.page.select_option("[name=align]", "memorised")
    one.wait("new URLSearchParams(location.search).get('align') === 'memorised'")
    assert "training steps after memorised" in one.text("#figures figure >> nth=0")
    together = jumps()
    assert together[0] == pytest.approx(together[1], abs=0.2)
    again = user()
    again.page.goto(one.page.url)
    again.wait("document.querySelectorAll('#figures figure').length === 4")
    assert again.text("#runs") == one.text("#runs")
    assert again.page.evaluate(f"{lines}.map(p => p.getAttribute('d'))") == one.page.evaluate(
        f"{lines}.map(p => p.getAttribute('d'))"
    )


def _jump(path: str) -> float:
    points = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
    falls = [(right[1] - left[1], right[0]) for left, right in pairwise(points)]
    return max(falls)[1]


def test_other_numbers_of_runs_are_compared(user: Callable[..., User], root: Path) -> None:
    folders = sorted(path.name for path in root.glob("pair/seed-*"))
    one = user()
    one.go("/compare?" + "&".join(f"run=pair/{folder}" for folder in folders))
    one.wait("document.querySelectorAll('#figures figure').length > 4")
    assert "seeds.init" in one.text("#runs thead")
    one.page.select_option("[name=measure]", "train_margin_min")
    one.wait("[...document.querySelectorAll('#figures code')].some(c => c.textContent === 'train_margin_min')")


def test_a_visit_with_a_fault_or_a_request_elsewhere_does_not_pass(browser: Any) -> None:
    for script in ("console.error('odd')", "throw new Error('odd')", "fetch('http://127.0.0.1:9/').catch(() => 0)"):
        one = User(browser, "http://127.0.0.1:1")
        one.page.set_content(f"<script>{script}</script>")
        one.until(lambda one=one: bool(one.faults + one.asked), "what went wrong is heard")
        with pytest.raises(AssertionError):
            one.close()
