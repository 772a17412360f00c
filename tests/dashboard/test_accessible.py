"""For every eye and hand: no serious fault by axe, the keyboard is enough, a phone is wide enough."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from browsing import User, needs_browser
from dashboard_runs import Served, cut_to_one_axis, make_run, write_rows
from latebloom.forks import Asked, Change, prepare, run_forks
from latebloom.store import open_run

pytestmark = needs_browser

LOOKS = [((1280, 900), "light"), ((1280, 900), "dark"), ((390, 800), "dark")]
"""Contrast is a matter of the theme, the order of things one of the width."""

FIGURES = "document.querySelector('#loss svg') !== null"
INSIDE = f"{FIGURES} && document.querySelector('#inside-said').textContent === ''"
NETWORK = f"{INSIDE} && document.querySelectorAll('#heads .tile canvas').length === 2"
COMPARED = "document.querySelectorAll('#figures figure').length >= 4"
WRONG = "document.querySelector('h1').textContent === 'Nothing here'"

SLOW, LONG = pytest.mark.slow, ("tour", "fork")
"""Pages that are a run's with more on it, ten seconds each."""
PAGES = {
    "list": ("/", "document.querySelectorAll('.curve svg').length > 11"),
    "run": ("/run/pair/RUN", NETWORK),
    "live": ("/run/made/live-0", f"{FIGURES} && document.querySelector('.badge').dataset.state === 'running'"),
    "fork": ("/run/FORK", f"{INSIDE} && document.querySelectorAll('#forks tbody tr').length === 1"),
    "compare": ("/compare?run=made/early&run=made/late&align=memorised", COMPARED),
    "less": ("/compare?run=pair/RUN&run=FORK&less=pair/RUN", COMPARED),
    "tour": ("/tour/6", "document.querySelectorAll('#circles canvas').length === 3"),
    "studies": ("/studies", "document.querySelectorAll('tbody tr').length === 2"),
    "study": ("/study/decay-study", "document.querySelectorAll('.study-map button').length === 4"),
    "one axis": ("/study/one-axis", "document.querySelectorAll('.study-map button').length === 2"),
    "wrong": ("/run/pair/none", WRONG),
}
"""Every kind of page, its address, and when it is whole."""

PRESSED = {"list": "#start summary", "run": "#definitions summary", "study": ".study-map button"}
"""What is opened on a page before it is looked at."""

SCOPE = {"fork": ["header", "#section-beside", "#forks"], "tour": ["nav", "#tour", "#circles"], "live": ["header"]}
"""Parts that are looked at where the others are those of a page above."""


@pytest.fixture(scope="module")
def every(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    """A server that shows a page of each kind and may start runs, and the names in the addresses above."""
    root = Path(shutil.copytree(made, tmp_path_factory.mktemp("every") / "runs"))
    run = open_run(next(iter(root.glob("pair/seed-0*"))))
    (fork,) = run_forks(prepare(Asked((run,), ("20",), (Change({"optim.lr": 0.03}),)), root), root)
    for name, memorised in (("early", 100), ("late", 200)):
        make_run(root, name, memorised, 3 * memorised)
    shutil.copytree(root / "decay-study", root / "one-axis")
    cut_to_one_axis(root / "one-axis")
    with write_rows(root, "live-0", 100, 2000) as writer, Served(root, allow_run=True) as served:
        yield served, {"RUN": run.id, "FORK": fork.folder.relative_to(root).as_posix()}
        writer.stop("asked to")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=SLOW if kind in LONG else ()) for kind in PAGES])
def test_nothing_serious_for_accessibility(browser: Any, every: tuple[Served, dict[str, str]], kind: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe: pip install -e '.[test]'")
    served, names = every
    address, ready = PAGES[kind]
    for name, value in names.items():
        address = address.replace(name, value)
    with closing(User(browser, served.address)) as one:
        one.go(address)
        one.wait(ready)
        if kind in PRESSED:
            one.page.locator(PRESSED[kind]).first.click()
        for (width, height), theme in LOOKS:
            one.page.set_viewport_size({"width": width, "height": height})
            one.page.emulate_media(color_scheme=theme)
            one.text("body")
            assert one.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (width, theme)
            scope = {"include": [[part] for part in SCOPE[kind]]} if kind in SCOPE else None
            found = axe.Axe().run(one.page, scope).response["violations"]
            bad = [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]
            assert bad == [], (width, theme)
        if kind == "wrong":
            one.provoked("404")


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
    one.wait(FIGURES)
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
    one.wait(FIGURES)
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
