"""Scrubbing: every panel of a run's page follows, and shows the numbers that the run has at that step."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from browsing import User, needs_browser
from latebloom.dashboard.example import GROUP, example_run
from latebloom.store import Run

pytestmark = needs_browser

PANELS = """() => Object.fromEntries([...document.querySelectorAll('main figure')].map((figure) => [figure.id, {
  words: figure.querySelector('.legend').textContent,
  numbers: [...figure.querySelectorAll('output')].map((output) => output.textContent),
  pictures: [
    ...[...figure.querySelectorAll('.small-multiples canvas, .map-host > canvas')].map((canvas) => canvas.toDataURL()),
    ...[...figure.querySelectorAll('.plot svg')].map((drawing) => drawing.outerHTML),
  ],
}]))"""

INSIDE = ("circles", "neurons", "neuron", "logit", "heads")


def number(words: str) -> float | None:
    """A number as the pages write it."""
    if words == "–":
        return None
    plain = words.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-", "\u202f"))
    digits, _, power = plain.partition("·10")
    return float(digits) * 10 ** int(power or 0)


def stored(run: Run, name: str, step: int) -> float | None:
    """The last number that was taken up to a step; None where it is not finite."""
    rows = run.scalars.filter(run.scalars["step"] <= step)[name].drop_nulls()
    return float(rows[-1]) if len(rows) and math.isfinite(rows[-1]) else None


def same(shown: float | None, held: float | None) -> bool:
    # two digits at least are shown
    return shown == held or (None not in (shown, held) and shown == pytest.approx(held, rel=0.06, abs=6e-5))


def test_every_panel_follows_the_scrubber(user: Callable[..., User]) -> None:
    run = example_run()
    assert run is not None
    logged = run.scalars["step"].to_list()
    last, step = logged[-1], [s for s in run.checkpoints if s in logged][len(run.checkpoints) // 2]
    one = user()
    one.go(f"/run/{GROUP}/{run.id}")
    one.wait("document.querySelectorAll('#heads .tile canvas').length === 2")
    one.wait("document.querySelector('#inside-said').textContent === ''")
    one.page.eval_on_selector_all("details", "all => all.forEach(details => details.open = true)")
    figures = {f["id"]: f for f in json.loads(one.page.text_content("#data"))["figures"]}
    before = panels(one)
    assert set(before) == {*figures, *INSIDE}
    assert len(before) > 60
    one.scrub(round(10_000 * math.log1p(step) / math.log1p(last)))
    one.wait(f"document.querySelector('#now b').textContent.replace(/\\D/g, '') === '{step}'")
    one.wait(f"new URLSearchParams(location.search).get('step') === '{step}'")
    after = panels(one)
    painted = "getComputedStyle(document.querySelector('#track'), '::before').backgroundImage"
    assert one.page.evaluate(painted).count("%") >= 2 * len(json.loads(one.page.text_content("#data"))["phases"])
    for name, panel in after.items():
        assert all(a != b for a, b in zip(panel["pictures"], before[name]["pictures"], strict=True)), name
    for name in INSIDE:
        assert checkpoint(before[name]) == run.checkpoints[-1]
        assert checkpoint(after[name]) == step
    for name, figure in figures.items():
        for panel, at in ((before[name], last), (after[name], step)):
            assert shows(panel, figure, run, at), (name, at, panel["words"])


def checkpoint(panel: dict[str, Any]) -> int:
    return int(re.search(r"checkpoint of step (\d{1,3}(?:\u202f\d{3})*)", panel["words"])[1].replace("\u202f", ""))


def panels(one: User) -> dict[str, Any]:
    one.text("#now")  # what is out of sight follows when the browser is idle, and this waits for it
    return one.page.evaluate(PANELS)


def shows(panel: dict[str, Any], figure: dict[str, Any], run: Run, step: int) -> bool:
    """Whether a figure's words say what the run has at a step."""
    names = [line["name"] for line in figure["lines"]]
    shown = [number(words) for words in panel["numbers"]]
    if figure["kind"] == "heat":
        taken = run.arrays[figure["array"]].dropna("step", how="all")["step"].values
        told = int(re.search(r"at step ([\d\u202f]+)", panel["words"])[1].replace("\u202f", ""))
        return told == max(s for s in taken.tolist() if s <= step)
    if figure["kind"] == "stack":
        total, parts = shown[0], [part for part in shown[1:] if part is not None]
        return same(total, stored(run, names[0], step)) and sum(parts) == pytest.approx(total, rel=0.02)
    return len(shown) == len(names) and all(map(same, shown, (stored(run, name, step) for name in names)))
