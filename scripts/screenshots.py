"""Takes a picture of every page, wide and of a phone's width, light and dark: `make screenshots`.

    python scripts/screenshots.py [--runs DIR] [--out docs/images/pages]

What is pictured is trained first where it is not there yet (a few minutes): a run of the example's task with another
seed, its forks, one that is stopped half-way, and two small studies. Pictures have 256 colours at most, which is all
that these pages need.
"""

from __future__ import annotations

import argparse
import io
import itertools
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

from example import SETTINGS

from dashboard_runs import Served
from latebloom.dashboard.example import example_row, example_run
from latebloom.experiment import InterruptedRunError, run_experiment
from latebloom.forks import Asked, Change, prepare, run_forks
from latebloom.process import prepare_process
from latebloom.spec import override, read, resolve
from latebloom.store import Axis, StudyFile, StudyRun, open_run, open_study, write_study
from latebloom.views.report import render_report, write_page
from latebloom.views.study_report import write_study_report
from settled import settle

MOST_BYTES = 3_000_000
SIZES = {"wide": (1280, 860), "phone": (390, 844)}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
DECAYS, FRACTIONS, SEEDS = (0.0, 1.0, 3.0), (0.4, 0.6, 0.8), (0, 1)
STUDY = {
    "task.p": "31",
    "model.d_model": "32",
    "model.n_heads": "2",
    "model.d_mlp": "64",
    "steps": "1500",
    "split.fraction": "0.6",
    "log.measures": "none",
    "checkpoints.every": "1500",
}


@dataclass(frozen=True)
class Page:
    """One page to picture.

    Attributes:
        name: of its files.
        address: of the dashboard, or a file.
        ready: a condition, in the page's words, under which it is whole.
        show: what is scrolled to; "" is the top.
        press: what is pressed before.
    """

    name: str
    address: str
    ready: str
    show: str = ""
    press: str = ""


def main() -> None:
    """Trains what is missing, takes the pictures, and says what they weigh."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/screenshots"))
    parser.add_argument("--out", type=Path, default=Path("docs/images/pages"))
    asked = parser.parse_args()
    prepare_process()
    run = seeded(asked.runs)
    stopped(asked.runs)
    study = grid(asked.runs)
    row(asked.runs)
    forks = forked(run, asked.runs)
    example = example_run()
    assert example is not None
    report = write_page(render_report(example), asked.runs / "report.html", "make screenshots")
    reports = (report, write_study_report(open_study(study)))
    shutil.rmtree(asked.out, ignore_errors=True)
    asked.out.mkdir(parents=True)
    with Served(asked.runs, allow_run=True) as served, sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for page in pages(served.address, f"seeds/{run.name}", forks, reports):
            for size, theme, picture in pictures(chromium, page):
                (asked.out / f"{page.name}-{size}-{theme}.png").write_bytes(picture)
        chromium.close()
    total = sum(path.stat().st_size for path in asked.out.iterdir())
    print(f"{len(list(asked.out.iterdir()))} pictures, {total:,} bytes in {asked.out}")
    if total > MOST_BYTES:
        raise SystemExit(f"expected at most {MOST_BYTES:,} bytes: take fewer or smaller pictures")


def seeded(root: Path, seed: int = 1, interrupted: Callable[[], bool] = lambda: False) -> Path:
    """A run of the example's task with another seed."""
    changes = SETTINGS | {"seed": str(seed), "checkpoints.every": "100"}
    spec = resolve(override(read("quick")[1], changes))
    return run_experiment(spec, root, "seeds", threads=1, interrupted=interrupted).folder


def stopped(root: Path) -> None:
    """A run that was stopped after it had memorised."""
    if not list(root.glob("seeds/seed-2-*")):
        left = iter(range(1500))
        with suppress(InterruptedRunError):
            seeded(root, 2, lambda: next(left, None) is None)


def grid(root: Path) -> Path:
    """A study of 18 small runs."""
    axes = (
        Axis("optim.weight_decay", ("optim.weight_decay",), DECAYS),
        Axis("split.fraction", ("split.fraction",), FRACTIONS),
    )
    question = (
        "How do weight decay and the share of pairs trained on decide whether, and when, a + b mod 31 is grokked?"
    )
    return small_study(root, "decay-and-fraction", question, axes)


def row(root: Path) -> Path:
    """A study of one axis."""
    axes = (Axis("optim.weight_decay", ("optim.weight_decay",), DECAYS),)
    return small_study(root, "decay", "Does weight decay decide whether a + b mod 31 is generalised?", axes)


def small_study(root: Path, name: str, question: str, axes: tuple[Axis, ...]) -> Path:
    """A study with all its runs."""
    base = override(read("quick")[1], STUDY)
    planned = []
    for values in itertools.product(*(axis.values for axis in axes)):
        for seed in SEEDS:
            cell = {axis.name: value for axis, value in zip(axes, values, strict=True)}
            spec = resolve(override(base, {k: str(v) for k, v in cell.items()} | {"seed": str(seed)}))
            planned.append(StudyRun(spec.run_id, cell, seed))
            run_experiment(spec, root, name, threads=1)
    write_study(root / name, StudyFile(name, question, base, axes, SEEDS, tuple(planned)))
    return root / name


def forked(run: Path, root: Path) -> list[str]:
    """Forks of the run at the step of memorising, by their folders."""
    changes = tuple(Change({"optim.weight_decay": decay}) for decay in (0.0, 0.3, 3.0))
    found = run_forks(prepare(Asked((open_run(run),), ("memorised",), changes), root), root)
    return [one.folder.relative_to(root).as_posix() for one in found]


def pages(address: str, run: str, forks: list[str], reports: tuple[Path, Path]) -> Iterator[Page]:
    """Every page that there is."""
    row = example_row()
    assert row is not None
    curves = "document.querySelector('#loss svg') !== null"
    inside = f"{curves} && document.querySelector('#inside-said').textContent === ''"
    inside += " && document.querySelector('#heads .legend').textContent !== ''"
    compared = "document.querySelectorAll('#figures figure').length > 4"
    map_there = "document.querySelectorAll('.study-map button').length === 9"
    listed = "document.querySelectorAll('.curve svg').length === 30"
    yield Page("list", f"{address}/?sort=state", listed)
    yield Page(
        "start", f"{address}/?group=seeds", "document.querySelectorAll('.curve svg').length === 2", press="summary"
    )
    yield Page("tour", f"{address}/tour/4", inside)
    yield Page("run", f"{address}/run/{row.folder}?step=2400", inside)
    yield Page("inside", f"{address}/run/{row.folder}", inside, "#inside")
    yield Page("definition", f"{address}/run/{row.folder}?step=2400", inside, "#progress", "#progress .about")
    yield Page("compare", f"{address}/compare?run={row.folder}&run={run}&align=memorised", compared)
    beside = f"{curves} && document.querySelectorAll('#twin-test-accuracy .plot .line').length === 2"
    yield Page("fork", f"{address}/run/{forks[0]}", beside, "#section-beside")
    shown = "&".join(f"run={folder}" for folder in (run, *forks))
    yield Page("forks", f"{address}/compare?{shown}&less={run}", compared)
    yield Page("studies", f"{address}/studies", "document.querySelectorAll('tbody tr').length === 2")
    yield Page("study", f"{address}/study/decay-and-fraction", map_there, press=".study-map button")
    row_there = "document.querySelectorAll('.study-map button').length === 3"
    yield Page("one-axis", f"{address}/study/decay", row_there, press=".study-map button >> nth=2")
    yield Page("wrong", f"{address}/run/none", "document.querySelector('h1') !== null")
    yield Page("report", reports[0].resolve().as_uri(), curves)
    yield Page("study-report", reports[1].resolve().as_uri(), "document.querySelector('.survival') !== null")


def pictures(chromium: Any, page: Page) -> Iterator[tuple[str, str, bytes]]:
    """The page in each size and theme."""
    for size, (width, height) in SIZES.items():
        for theme in ("light", "dark"):
            tab = chromium.new_page(viewport={"width": width, "height": height}, color_scheme=theme)
            tab.goto(page.address)
            # asked from here: the pages' policy forbids to wait for a condition that is given as a text
            while not tab.evaluate(page.ready):
                tab.wait_for_timeout(50)
            if page.show:
                tab.evaluate("show => document.querySelector(show).scrollIntoView()", page.show)
            if page.press:
                tab.locator(page.press).first.click()
            settle(tab)
            tab.wait_for_timeout(200)  # the page scrolls, and what comes into sight is drawn
            settle(tab)
            yield size, theme, optimised(tab.screenshot())
            tab.close()


def optimised(png: bytes) -> bytes:
    """The picture with a palette."""
    made = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    # rare colours are kept, and the common ones are then moved to where most of their pixels are
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(made, "PNG", optimize=True)
    return made.getvalue()


if __name__ == "__main__":
    main()
