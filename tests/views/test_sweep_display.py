"""The display of a sweep, in a terminal and without one."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from latebloom.studies.sweep import Best, Standing
from latebloom.views.sweep import SweepDisplay, best_line, next_line

STATE = Standing(
    240,
    done=100,
    failed=2,
    elsewhere=3,
    running={"seed-1-abc": (120, 400, 0.25), "seed-2-def": (0, 400, None)},
    left_s=75.4,
    best=Best("seed-0-xyz", "optim.lr = 0.1", 1200, 1.0),
)


def test_a_terminal_shows_counts_runs_time_and_the_best():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with SweepDisplay(console, "grid: 240 runs", {"seed-1-abc": "optim.lr = 0.2, seed 1"}) as display:
        display(STATE)
    shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    for text in (
        "grid: 240 runs",
        "100 of 240 done",
        "2 failed, 3 in other processes, 1 min 15 s left",
        "optim.lr = 0.2, seed 1",
    ):
        assert text in shown
    assert "120 of 400" in shown
    assert "25.0%" in shown
    assert "seed-2-def" in shown
    assert "grokked first: at step 1,200 (optim.lr = 0.1)" in shown


def test_without_a_terminal_lines_come_now_and_then(monkeypatch):
    console = Console(file=io.StringIO(), width=120)
    with SweepDisplay(console, "grid", {}) as display:
        display(STATE)
        assert console.file.getvalue() == ""  # pyright: ignore[reportAttributeAccessIssue]
        for _ in range(3):
            monkeypatch.setattr(display, "_said", -100.0)
            display(STATE)
    lines = console.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]
    assert lines == ["100 of 240 runs done, 2 running, 2 failed, 3 in other processes, 1 min 15 s left"]


def test_the_best_before_anything_groks():
    assert best_line(Standing(3)) == ""
    best = Best("seed-0-xyz", "optim.lr = 0.1", None, 0.5)
    told = best_line(Standing(3, best=best), "best so far")
    assert told == "best so far: 50.0% test accuracy (optim.lr = 0.1)"
    assert best_line(Standing(3, best=best)) == "best: 50.0% test accuracy (optim.lr = 0.1)"


def test_while_runs_are_under_way_the_best_is_so_far():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with SweepDisplay(console, "grid", {}) as display:
        display(Standing(3, best=Best("seed-0-xyz", "optim.lr = 0.1", None, 0.5)))
    assert "best so far: 50.0%" in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_what_comes_next_names_axes_and_the_runs_folder():
    told = next_line("grid", ["optim.lr", "model.d_mlp"], Path("runs"))
    assert told == (
        "Next: `latebloom statistics grid`, `latebloom diagram grid lr d_mlp -o grid.png`, `latebloom report grid`"
    )
    # two fields of one last word are named whole, and one axis makes no map
    assert "diagram grid seeds.init other.init -o" in next_line("grid", ["seeds.init", "other.init"], Path("runs"))
    assert "diagram" not in next_line("grid", ["optim.lr"], Path("runs"))
    assert next_line("grid", [], Path("my runs")) == "Next: `latebloom report grid --runs 'my runs'`"
