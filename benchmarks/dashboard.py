"""How quick the dashboard is: the list of many runs, a run's page, scrubbing through checkpoints of the mainline.

    python benchmarks/dashboard.py [--runs 2000] [--folder DIR] [--run FOLDER]

It asks a real Chromium. The many runs are one finished run under many names; the mainline is nanda2023, trained for as
many steps as give 100 checkpoints, or a run of your own. Goals: list 1 s, run page 1.5 s, a scrub 16 ms, as medians.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from dashboard_runs import Served, small
from latebloom.experiment import run_experiment
from latebloom.spec import override, read, resolve
from latebloom.store import Index, open_run

# no limit on the rate of frames: what is timed is the work for one, not the wait for the screen
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-frame-rate-limit"]
REPEATS = 7
SCROLLED = {"the curves": "#loss", "inside the network": "#inside", "the circuit's measures": "#progress"}

# From the scrubber's event until the frame that follows is painted: a message sent in a frame comes after its painting.
SCRUB = """async (places) => {
  const scrubber = document.getElementById('scrubber');
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done();
    channel.port2.postMessage(0);
  }));
  const taken = [];
  for (const place of places) {
    await painted();
    const before = performance.now();
    scrubber.value = place;
    scrubber.dispatchEvent(new Event('input', { bubbles: true }));
    await painted();
    taken.push(performance.now() - before);
  }
  return taken;
}"""
# Until what a navigation leads to is drawn: the condition is asked at every frame.
OPENED = """() => new Promise((done) => {
  const look = () => (READY ? done(performance.now()) : requestAnimationFrame(look));
  look();
})"""


def many(root: Path, number: int) -> None:
    """A folder of finished runs, all the same but for their names."""
    first = run_experiment(small(), root, "many-0", threads=1).folder
    for i in range(1, number):
        folder = root / f"many-{i // 100}" / f"seed-{i}-{i:010x}"
        if not folder.exists():
            shutil.copytree(first, folder, ignore=shutil.ignore_patterns("checkpoints"))


def mainline(root: Path) -> Path:
    """100 checkpoints of nanda2023's networks, trained for 198 steps."""
    changes = {"steps": "198", "checkpoints.every": "2", "log.every": "20"}
    return run_experiment(resolve(override(read("nanda2023")[1], changes)), root, "mainline").folder


def opened(page: Any, address: str, ready: str) -> float:
    """Milliseconds from the request of a page to the frame in which it is whole."""
    page.goto(address, wait_until="commit")
    return page.evaluate(OPENED.replace("READY", ready))


def told(what: str, taken: list[float], goal: float) -> None:
    """The median with its range, beside the goal."""
    middle = statistics.median(taken)
    verdict = "met" if middle <= goal else "MISSED"
    spread = f"({min(taken):.1f} to {max(taken):.1f}, {len(taken)} times)"
    print(f"{what:58} {middle:8.1f} ms  {spread:34} goal {goal:g} ms: {verdict}", flush=True)


def timed_list(page: Any, address: str, root: Path, number: int) -> None:
    """The list, with an index that has all runs, and with none."""
    rows = "document.querySelectorAll('.runs tbody tr').length === 50"
    whole = f"{rows} && document.querySelectorAll('.curve svg').length === 50"
    opened(page, address, whole)
    for what, ready in (("rows", rows), ("rows and small curves", whole)):
        told(f"list of {number} runs, {what}", [opened(page, address, ready) for _ in range(REPEATS)], 1000)
    before = time.perf_counter()
    for path in root.glob("index.sqlite*"):
        path.unlink()
    Index(root).runs()
    print(f"{'(the index of them made anew, once)':58} {1000 * (time.perf_counter() - before):8.1f} ms")


def timed_run(page: Any, address: str, steps: list[int]) -> None:
    """A run's page, and scrubbing once all its checkpoints are here."""
    curves = "document.querySelector('#loss svg') !== null"
    inside = f"{curves} && document.querySelector('#heads .legend').textContent !== ''"
    for what, ready in (("curves", curves), ("curves and the network inside", inside)):
        told(f"run page, {what}", [opened(page, address, ready) for _ in range(REPEATS)], 1500)
    # asked from here: the pages' policy forbids to wait for a condition that is given as a text
    while not page.evaluate("document.querySelector('#inside-said').textContent === ''"):
        page.wait_for_timeout(100)
    page.click("#axis span >> text=linear")
    places = [10_000 * step / steps[-1] for step in steps]
    for what, target in SCROLLED.items():
        page.evaluate("target => document.querySelector(target).scrollIntoView()", target)
        page.wait_for_timeout(300)
        told(f"scrub, {what} in sight, {len(steps)} checkpoints", page.evaluate(SCRUB, places), 16)


def main() -> None:
    """Makes what is missing, then times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where the many runs are kept [default: a temporary folder]")
    parser.add_argument("--run", type=Path, help="a mainline run of your own, with checkpoints")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as play:
        root = asked.folder or Path(place) / "many"
        many(root, asked.runs)
        run = asked.run or mainline(Path(place) / "one")
        chromium = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        with Served(root) as served:
            timed_list(page, f"{served.address}/", root, asked.runs + 1)
        with Served(run.parent.parent) as served:
            address = f"{served.address}/run/{run.parent.name}/{run.name}"
            timed_run(page, address, open_run(run).checkpoints)
        chromium.close()


if __name__ == "__main__":
    main()
