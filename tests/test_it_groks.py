"""The first promise: one command groks from its defaults on a CPU, and ends with a report."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import latebloom
from parsed import Page

STOPPED_THERE = ("--stop.event", "grokked", "--stop.after", "0")
"""The defaults go on through cleanup; what is promised has happened before."""


def test_the_default_run_groks(tmp_path):
    words = [Path(sys.executable).with_name("latebloom"), "run", *STOPPED_THERE, "--threads", "2"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (tmp_path / "runs" / "quick").iterdir()
    run = latebloom.open(folder)
    assert run.state == "done"
    steps = {event["name"]: event["found"]["step"] for event in run.events}
    # no narrower: rounding differs among machines, and with it the step
    assert 800 <= steps["grokked"] <= 2800
    assert 2.5 * steps["memorised"] < steps["grokked"]
    last = run.scalars.sort("step").row(-1, named=True)
    assert last["train_accuracy"] == 1
    assert last["test_accuracy"] >= 0.95
    for event in ("memorised", "grokked"):
        assert re.search(rf"^{event} at step {steps[event]:,} \(", done.stdout, re.IGNORECASE | re.MULTILINE)
    report = tmp_path / done.stdout.split("Report: ")[1].strip()
    assert report == folder / "report.html"
    # thousands are kept apart by a narrow space, which is a space in `text`
    memorised, grokked = (f"{steps[event]:,}".replace(",", " ") for event in ("memorised", "grokked"))
    text = Page(report.read_text("utf-8")).text
    assert f"Memorised by step {memorised}; generalised by step {grokked}" in text
