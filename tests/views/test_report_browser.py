"""The report in a browser: what a reader does with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from latebloom.views import write_report
from settled import settle, until

api = pytest.importorskip("playwright.sync_api", reason="needs Playwright for Python: pip install -e '.[test]'")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (Debian: apt-get install chromium)")


class Reader:
    """A page, and all that went wrong or was asked for while it was read."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.page = browser.new_page(**({"viewport": {"width": 1100, "height": 900}} | context))
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        settle(self.page)

    def text(self, selector: str) -> str:
        settle(self.page)
        return re.sub(r"\s", " ", self.page.inner_text(selector))

    def bars(self) -> list[float]:
        settle(self.page)
        widths = self.page.eval_on_selector_all(".bars .bar", "bars => bars.map(b => b.getAttribute('width'))")
        return [float(width) for width in widths]

    def scrub(self, place: int) -> None:
        self.page.eval_on_selector(
            "#scrubber", "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }", place
        )

    def overflow(self) -> float:
        """By how much the page, or a piece that does not scroll by itself, is wider than the window."""
        settle(self.page)
        pieces = "header > *, section > *, figure > *, .plot > *, #player > *"
        edges = f"[...document.querySelectorAll('{pieces}')].map(e => e.getBoundingClientRect().right)"
        return self.page.evaluate(f"Math.max(document.documentElement.scrollWidth, ...{edges}) - innerWidth")


@pytest.fixture
def read(browser: Any, make_run: Callable[..., Any]) -> Iterator[Callable[..., Reader]]:
    """Opens the report of a stand-in run; at the end nothing may have gone wrong or been fetched."""
    readers: list[Reader] = []

    def opened(run: Any = None, **context: Any) -> Reader:
        readers.append(Reader(browser, write_report(run or make_run()), **context))
        return readers[-1]

    yield opened
    for reader in readers:
        assert reader.faults == []
        assert [url for url in reader.asked if not url.startswith("file:")] == []
        assert len(reader.asked) == 1
        reader.page.close()


def test_every_figure_is_drawn(read: Callable[..., Reader]) -> None:
    page = read().page
    assert page.locator("figure").count() == 7
    assert page.locator("figure svg .line, figure .bar, figure .part").count() > 20
    for figure in page.locator("figure").all():
        assert figure.locator(".plot svg").first.bounding_box()["height"] > 100
    assert "Memorised, not generalised" in page.inner_html("#loss .plot")
    assert page.locator("#accuracy .event-name").all_text_contents() == ["memorised ≥ 0.99", "grokked ≥ 0.95"]


def test_pointing_at_one_figure_shows_values_in_all(read: Callable[..., Reader], make_run: Callable[..., Any]) -> None:
    reader = read()
    at_the_end = {figure: reader.text(f"#{figure} .legend") for figure in ("loss", "accuracy", "logit-scale")}
    box = reader.page.locator("#loss .plot").bounding_box()
    reader.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 120)
    step = int(re.sub(r"\D", "", reader.text("#now b")))
    row = next(row for row in make_run().scalars.iter_rows(named=True) if row["step"] == step)
    assert 0 < step < 3000
    assert f"train {row['train_loss']:.2f}" in reader.text("#loss .legend")
    for figure, before in at_the_end.items():
        assert reader.text(f"#{figure} .legend") != before
    assert reader.page.locator(".hovered").count() == 7
    reader.page.mouse.move(5, 5)
    assert reader.text("#loss .legend") == at_the_end["loss"]


def test_the_scrubber_moves_bars_and_values(read: Callable[..., Reader]) -> None:
    reader = read()
    last, said = reader.bars(), reader.text("#loss .legend")
    assert max(last) > 3 * sorted(last)[-2]  # one frequency has won
    reader.scrub(0)
    first = reader.bars()
    assert len(first) == len(last) == 12
    assert max(first) < 1.5 * sorted(first)[-2]
    assert reader.text("#loss .legend") != said
    assert "step 0" in reader.text("#now")


def test_the_keyboard_moves_one_log_row_at_a_time(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.page.keyboard.press("ArrowLeft")
    assert "step 2 990" in reader.text("#now")
    reader.page.focus("#scrubber")
    reader.page.keyboard.press("Home")
    reader.page.keyboard.press("ArrowRight")
    assert "step 1 Learning" in reader.text("#now")
    assert reader.page.get_attribute("#scrubber", "aria-valuetext") == "step 1, Learning the training set"


def test_play_runs_on_and_stops(read: Callable[..., Reader]) -> None:
    reader = read()
    reader.page.click("#play")
    # from the end it begins anew, and goes on by itself
    between = "document.querySelector('#scrubber').value > 0 && document.querySelector('#scrubber').value < 10000"
    until(reader.page, between)
    reader.page.click("#play")
    stopped = reader.text("#now")
    reader.page.wait_for_timeout(600)
    assert reader.text("#now") == stopped


def test_the_step_axis_can_be_even(read: Callable[..., Reader]) -> None:
    reader = read()
    curve = "#loss .plot .line.test"
    before = reader.page.get_attribute(curve, "d")
    assert "log(1 + step)" in reader.page.inner_html("#accuracy .plot")
    reader.page.check("#axis input[value=linear]", force=True)
    settle(reader.page)
    assert reader.page.get_attribute(curve, "d") != before
    assert "log(1 + step)" not in reader.page.inner_html("main figure .plot")


def test_light_and_dark(read: Callable[..., Reader]) -> None:
    reader = read(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    pixel = "[...document.querySelector('.map canvas').getContext('2d').getImageData(3, 60, 1, 1).data]"
    light, cell = reader.page.evaluate(ground), reader.page.evaluate(pixel)
    reader.page.click("#theme")
    settle(reader.page)
    assert light == "rgb(255, 255, 255)"
    assert reader.page.evaluate(ground) != light
    assert sum(reader.page.evaluate(pixel)) < sum(cell)
    reader.page.click("#theme")
    assert reader.page.evaluate(ground) == light


def test_on_paper_all_is_light_and_unfolded(read: Callable[..., Reader]) -> None:
    page = read(color_scheme="dark").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.is_visible(".definitions")
    assert not page.is_visible("#player")
    assert max(plot.bounding_box()["width"] for plot in page.locator(".plot").all()) < 700  # of A4 in portrait
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") is None


def test_definitions_come_by_pointer_and_by_keyboard_and_go_by_escape(read: Callable[..., Reader]) -> None:
    page = read().page
    assert not page.is_visible("#about-loss")
    page.hover("#loss .about")
    assert page.is_visible("#about-loss")
    page.mouse.move(5, 5)
    page.focus("#accuracy .about")
    assert page.is_visible("#about-accuracy")
    assert "a tie counts as wrong" in page.inner_text("#about-accuracy")
    page.keyboard.press("Escape")
    assert not page.is_visible("#about-accuracy")


@pytest.mark.parametrize("width", [320, 375, 768])
def test_a_narrow_page_does_not_scroll_sideways(read: Callable[..., Reader], width: int) -> None:
    reader = read(viewport={"width": width, "height": 800})
    assert reader.overflow() <= 0
    reader.page.click("summary")
    assert reader.overflow() <= 0


@pytest.mark.parametrize("last", [0, 2, 800])
def test_runs_that_ended_early_are_drawn(read: Callable[..., Reader], make_run: Callable[..., Any], last: int) -> None:
    reader = read(make_run(last=last, state="failed", events=[], summary={}))
    assert reader.page.locator("figure svg").count() >= 7
    assert "NaN" not in reader.page.inner_html("main")


def test_names_with_markup_run_nothing(read: Callable[..., Reader], make_run: Callable[..., Any]) -> None:
    run = make_run(summary={"title": "<img src=x onerror=console.log(1)>"})
    run.arrays = run.arrays.assign_coords(tensor=[f"</script><script>console.log({i})</script>" for i in range(6)])
    assert "<img" in read(run).text("header")


def test_cells_of_a_map_meet_and_short_axes_have_ticks(
    read: Callable[..., Reader], make_run: Callable[..., Any]
) -> None:
    run = make_run()
    norms = run.arrays["embedding_fourier_norm"].values.copy()
    norms[np.arange(len(norms)) % 7 != 0] = np.nan
    run.arrays = run.arrays.assign(embedding_fourier_norm=(("step", "frequency"), norms))
    shallow = 0.6 + 0.2 * run.scalars["test_accuracy"]
    run.scalars = run.scalars.with_columns(test_loss=shallow, train_loss=shallow)
    page = read(run).page
    page.locator(".heat canvas").first.scroll_into_view_if_needed()
    settle(page)
    alphas = (
        "c => [...c.getContext('2d').getImageData(0, 30, c.width, c.height - 110).data].filter((_, i) => i % 4 === 3)"
    )
    assert set(page.locator(".heat .map canvas").first.evaluate(alphas)) == {255}
    ticks = page.locator("#loss .plot text.tick[text-anchor=end]").all_text_contents()
    assert len(ticks) >= 3
    assert [float(tick) for tick in ticks] == sorted(map(float, ticks))


def test_a_measure_that_was_taken_twice_is_dots_without_a_line(
    read: Callable[..., Reader], make_run: Callable[..., Any]
) -> None:
    there = make_run().scalars
    ends = pl.int_range(there.height).is_in([0, there.height - 1])
    page = read(make_run(scalars=there.with_columns(pl.when(ends).then(2.0).alias("hessian_max")))).page
    drawn = page.get_attribute("#sharpness .plot path.line", "d")
    assert (drawn.count("M"), drawn.count("L")) == (2, 0)
    assert page.locator("#sharpness .plot circle").count() >= 2
    assert page.locator("#loss .plot path.line").first.get_attribute("d").count("L") > 100
