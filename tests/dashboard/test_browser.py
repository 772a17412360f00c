"""The dashboard in a browser: what a user does with it, with no error and no request to anywhere else."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import latebloom
from browsing import User, needs_browser
from dashboard_runs import Served
from latebloom.analysis.outcomes import outcomes
from latebloom.dashboard.access import Access
from latebloom.store import RunWriter
from latebloom.views.study_text import MARKS

pytestmark = needs_browser


def test_find_a_run_open_it_and_scrub(user: Callable[..., User]) -> None:
    one = user()
    one.go("/")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 11")
    one.wait("document.querySelectorAll('.curve svg').length === 11")
    one.page.fill("input[name=q]", "pair/seed")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 2")
    one.page.click("th[data-sort=run] button")
    assert one.page.get_attribute("th[data-sort=run]", "aria-sort") in ("ascending", "none")
    one.page.click("text=/failed 1/")
    one.wait("document.querySelector('#said').textContent.includes('No run fits')")
    one.page.go_back()
    one.wait("document.querySelectorAll('.runs tbody tr').length === 2")
    one.page.click(".runs tbody th a")
    one.wait("document.querySelectorAll('#heads .tile canvas').length === 2")
    one.wait("document.querySelector('#inside-said').textContent === ''")
    shown = ["#now", *(f"#{figure} .legend" for figure in ("loss", "accuracy", "logit-scale", "neuron"))]
    maps = ["#neuron .tile canvas", "#logit .tile canvas", "#heads .tile canvas", "#neurons .map-host > canvas"]
    for selector in (*shown, *maps):
        one.page.locator(selector).first.scroll_into_view_if_needed(timeout=3000)
    before = {selector: one.text(selector) for selector in shown} | {
        selector: one.pixels(selector) for selector in maps
    }
    one.scrub(5500)
    one.wait("new URLSearchParams(location.search).has('step')")
    for selector in shown:
        one.page.locator(selector).scroll_into_view_if_needed()
        one.until(lambda selector=selector: one.text(selector) != before[selector], selector)
    for selector in maps:
        one.until(lambda selector=selector: one.pixels(selector) != before[selector], selector)


def test_a_definition_is_one_hover_away(user: Callable[..., User]) -> None:
    one = user()
    one.go("/")
    one.page.fill("input[name=q]", "pair/seed")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 2")
    one.page.click(".runs tbody th a")
    deadline = time.monotonic() + 20
    while True:
        # the page below may still grow, which moves what the pointer is over
        one.page.hover("#loss .about")
        if one.page.is_visible("#about-loss"):
            break
        assert time.monotonic() < deadline
        one.page.mouse.move(5, 5)
        one.page.wait_for_timeout(50)
    assert "log" in one.text("#about-loss")


def test_open_a_neuron_and_share_the_address(user: Callable[..., User], root: Path) -> None:
    folder = next(iter(root.glob("pair/seed-0*"))).name
    one = user()
    one.go(f"/run/pair/{folder}?step=40&neuron=3")
    one.wait("document.querySelector('#neuron .legend').textContent.includes('step 40')")
    # the scale of a map is that of all checkpoints, so it may still change until they are here
    one.wait("document.querySelector('#inside-said').textContent === ''")
    third = one.pixels("#neuron .tile canvas")
    one.page.fill("[name=neuron]", "5")
    one.wait("new URLSearchParams(location.search).get('neuron') === '5'")
    one.wait("document.querySelector('#inside-said').textContent === ''")
    one.until(lambda: one.pixels("#neuron .tile canvas") != third, "another neuron is drawn")
    cells = one.page.locator("#neurons .map-host > canvas")
    box = cells.bounding_box()
    cells.click(position={"x": box["width"] * 3.5 / 64, "y": box["height"] / 2})
    one.wait("new URLSearchParams(location.search).get('neuron') === '3'")
    one.wait("document.querySelector('#inside-said').textContent === ''")
    assert one.page.input_value("[name=neuron]") == "3"
    one.until(lambda: one.pixels("#neuron .tile canvas") == third, "neuron 3 is drawn again")
    said = {s: one.text(s) for s in ("#now", "#neuron .legend", "#loss .legend")}
    again = user()
    again.page.goto(one.page.url)
    again.wait("document.querySelector('#neuron .legend').textContent.includes('step 40')")
    again.wait("document.querySelector('#inside-said').textContent === ''")
    again.until(lambda: {s: again.text(s) for s in said} == said, "the same words")
    again.until(lambda: again.pixels("#neuron .tile canvas") == third, "the same picture")


def test_compare_two_runs_on_a_step_and_on_an_event(user: Callable[..., User]) -> None:
    one = user()
    one.go("/?group=pair")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 2")
    for box in one.page.locator(".runs tbody input").all():
        box.check()
    one.page.click("#compare")
    one.wait("document.querySelectorAll('#figures figure').length > 4")
    assert one.page.locator("#figures figure").first.locator(".run-line").count() == 2
    assert "seeds.init" in one.text("#runs thead")
    one.page.select_option("[name=measure]", "train_margin_min")
    one.wait("[...document.querySelectorAll('#figures code')].some(c => c.textContent === 'train_margin_min')")
    aligned = [o for o in one.page.eval_on_selector_all("[name=align] option", "os => os.map(o => o.value)") if o]
    for event in aligned:
        one.page.select_option("[name=align]", event)
        one.wait("new URLSearchParams(location.search).has('align')")
        assert f"training steps after {event}" in one.text("#figures figure >> nth=0") or "Not drawn" in one.text(
            "#said"
        )
    address = one.page.url
    again = user()
    again.page.goto(address)
    again.wait("document.querySelectorAll('#figures figure').length > 4")
    assert again.text("#runs") == one.text("#runs")


def numbers(step: int) -> dict[str, float]:
    return {"train_accuracy": step / 500, "test_accuracy": 0.1, "train_loss": 1.0, "test_loss": 2.0}


def test_follow_a_run_that_trains(user: Callable[..., User], root: Path) -> None:
    ended = threading.Event()
    with RunWriter.open(root, "live", "seed-0-0000000000", {"steps": 500}, {}, 500) as writer:
        for step in range(20):
            writer.log(
                step, {"train_accuracy": step / 500, "test_accuracy": 0.1, "train_loss": 1.0, "test_loss": 2.0}, {}
            )
        writer.checkpoint(19, {"params/w": torch.zeros(2)}, {}, lambda step: True)

        def go_on() -> None:
            for step in range(20, 500):
                if ended.is_set():
                    return
                writer.log(step, numbers(step), {})
                time.sleep(0.02)

        trains = threading.Thread(target=go_on)
        trains.start()
        try:
            one = user()
            one.go("/run/live/seed-0-0000000000")
            step = "Number(document.querySelector('#now b').textContent.replace(/\\D/g, ''))"
            line = "document.querySelector('#accuracy .plot .line.train').getAttribute('d').split('L').length"
            one.wait(f"{step} >= 19")
            first, points = one.page.evaluate(step), one.page.evaluate(line)
            one.wait(f"{step} > {first}")
            one.wait(f"{line} > {points}")
            second = one.page.evaluate(step)
            one.wait(f"{step} > {second}")
            assert "running: step" in one.text(".badge")
        finally:
            ended.set()
            trains.join()
        writer.finish([], {})
        one.wait("document.querySelector('.badge') === null")
    # what was read while it was written is whole
    scalars = latebloom.open(root / "live" / "seed-0-0000000000").scalars
    assert scalars["step"].to_list() == list(range(len(scalars)))


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


def test_a_wrong_address_says_so(user: Callable[..., User]) -> None:
    one = user()
    answer = one.go("/run/pair/none")
    assert answer.status == 404
    assert "there is no" in one.text("main")
    one.faults.clear()  # Chromium itself notes the 404
    one.page.click("text=All runs")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 11")


def test_another_sites_page_gets_nothing(browser: Any, served: Served, tmp_path: Path) -> None:
    other = tmp_path / "other.html"
    other.write_text(
        f"<script>fetch('{served.address}/api/runs').then(a => a.text()).then(t => document.title = 'got ' + t,"
        " () => document.title = 'refused')</script>",
        "utf-8",
    )
    page = browser.new_page()
    page.goto(other.as_uri())
    page.wait_for_function("document.title !== ''")
    assert page.title() == "refused"
    page.close()


def test_a_wrong_token_is_refused_and_the_right_one_is_kept(browser: Any, root: Path) -> None:
    with Served(root, Access("127.0.0.1", "a-token-of-some-length")) as served:
        one = User(browser, served.address)
        assert one.go("/").status == 401
        assert one.go("/?token=wrong").status == 401
        one.go("/?token=a-token-of-some-length")
        one.wait("document.querySelectorAll('.runs tbody tr').length === 11")
        assert "token" not in one.page.url
        one.page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_for_accessibility(user: Callable[..., User], root: Path, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: pip install -e '.[test]'")
    folder = next(iter(root.glob("pair/seed-0*"))).name
    pages = {
        "/": "document.querySelectorAll('.curve svg').length === 11",
        f"/run/pair/{folder}": "document.querySelectorAll('#heads .tile canvas').length === 2",
        f"/compare?run=pair/{folder}": "document.querySelectorAll('#figures figure').length > 4",
        "/tour/6": "document.querySelectorAll('#circles canvas').length === 3",
        "/studies": "document.querySelectorAll('tbody tr').length === 1",
        "/study/decay-study": "document.querySelectorAll('.study-map button').length === 4",
    }
    one = user(color_scheme=theme)
    for address, ready in pages.items():
        one.go(address)
        one.wait(ready)
        found = axe.Axe().run(one.page).response["violations"]
        bad = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
        assert bad == [], address


def test_the_keyboard_is_enough(user: Callable[..., User]) -> None:
    one = user()
    one.go("/?group=pair")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 2")
    one.page.keyboard.press("Tab")
    for _ in range(40):
        if one.page.evaluate("document.activeElement.matches('.runs tbody th a')"):
            break
        one.page.keyboard.press("Tab")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url("**/run/**")
    one.wait("document.querySelector('#loss svg') !== null")
    before = one.text("#now")
    one.page.keyboard.press("ArrowLeft")
    one.wait(f"document.querySelector('#now').textContent.replace(/\\s/g, ' ') !== {before!r}")


def test_the_keyboard_opens_a_cell_a_definition_and_a_comparison(user: Callable[..., User], root: Path) -> None:
    one = user()
    one.go("/study/decay-study")
    one.wait("document.querySelectorAll('.study-map button').length === 4")
    one.page.locator(".study-map button").nth(1).focus()
    one.page.keyboard.press("Enter")
    one.wait("document.querySelectorAll('#cell tbody tr').length === 2")
    one.go(f"/run/pair/{next(iter(root.glob('pair/seed-0*'))).name}")
    one.wait("document.querySelector('#loss svg') !== null")
    one.page.locator("#loss .about").focus()
    assert one.page.is_visible("#about-loss")
    one.page.keyboard.press("Escape")
    assert not one.page.is_visible("#about-loss")
    one.go("/?group=pair")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 2")
    for box in one.page.locator(".runs tbody input").all():
        box.focus()
        one.page.keyboard.press("Space")
    one.page.locator("#compare").focus()
    one.page.keyboard.press("Enter")
    one.wait("document.querySelectorAll('#figures figure').length > 4")


def test_a_study_of_one_axis_is_a_row(user: Callable[..., User], root: Path) -> None:
    file = root / "decay-study" / "study.json"
    study = json.loads(file.read_text("utf-8"))
    study["axes"] = study["axes"][:1]
    for run in study["runs"]:
        del run["cell"]["split.fraction"]
    file.write_text(json.dumps(study), "utf-8")
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


def test_the_tour_goes_on_by_enter_alone(user: Callable[..., User]) -> None:
    one = user()
    one.go("/tour/5")
    for number in (5, 6, 7, 8):
        one.wait(f"document.querySelector('#tour .quiet').textContent === 'Tour of grokking, {number} of 8'")
        one.wait("document.activeElement.className === 'next'")
        one.wait(
            "document.querySelector('.toured') !== null && document.querySelector('.toured').offsetParent !== null"
        )
        # what the words speak of stands right below them
        one.wait(
            "Math.abs(document.querySelector('.toured').getBoundingClientRect().top"
            " - document.querySelector('#tour').getBoundingClientRect().bottom - 14) < 3"
            " || scrollY + innerHeight >= document.documentElement.scrollHeight - 2"
        )
        wanted = one.page.evaluate("new URLSearchParams(location.search).get('step')")
        shown = one.page.evaluate("document.querySelector('#now b').textContent.replace(/\\D/g, '')")
        assert shown == (wanted or "4000")
        one.page.keyboard.press("Enter")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 11")


@pytest.mark.parametrize("path", ["/", "/tour/7", "/run/pair/FOLDER", "/study/decay-study", "/compare?run=pair/FOLDER"])
def test_a_phone_is_wide_enough(user: Callable[..., User], root: Path, path: str) -> None:
    one = user(viewport={"width": 390, "height": 800})
    one.go(path.replace("FOLDER", next(iter(root.glob("pair/seed-0*"))).name))
    one.page.wait_for_timeout(700)
    assert one.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
