"""What a terminal is told of forks beside their twins: no row of nothing, and heads that say what was looked at."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from rich.console import Console

from latebloom.analysis.fork_effects import effects
from latebloom.analysis.forked import SHOCK, Comparison, Parting, Shift
from latebloom.views.fork_text import number, print_comparison, print_effects

INF = math.inf


def comparison(seed: int, *shifts: Shift, last: int = 500, parts: int | None = 110) -> Comparison:
    answers: dict[str, float | None] = {"before": 0.9, "after": 0.9, "worst": 0.8, "twin_worst": 0.9}
    ends: dict[str, dict[str, float | None]] = {}
    ends |= {name: {"fork": 0.9, "twin": 1.0} for name in ("test_accuracy", "test_loss", "weight_norm_sq")}
    head = (f"fork-{seed}", "twin", "", f"parent-{seed}", seed, 100, last, None, "no decay", {}, None, "")
    return Comparison(*head, (Parting("test_accuracy", parts),), shifts, {"test_accuracy": answers}, ends, ())


def printed(*found: Comparison) -> str:
    console = Console(file=io.StringIO(), width=200)
    if len(found) == 1:
        print_comparison(console, found[0])
    else:
        print_effects(console, effects(("100", one) for one in found))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


PAGE = Path(__file__).parents[2] / "docs" / "forks.md"
KNOWN = Shift("grokked", "Grokked", 300, 200, 100, 100)
NEVER = Shift("cleanup-ended", "Cleanup ends", None, 200, 300, INF, "the fork had none up to step 500")
NEITHER = Shift("cleanup-ended", "Cleanup ends", None, None, -INF, INF, "seen in neither")


def test_an_event_whose_median_is_open_has_no_row():
    told = printed(comparison(0, KNOWN, NEVER), comparison(1, KNOWN, NEITHER), comparison(2, KNOWN, NEITHER))
    rows = [line for line in told.splitlines() if "Cleanup ends" in line]
    assert rows == [
        "no row, since censoring leaves the median open: Cleanup ends (no decay at 100: later in 1, earlier in 0 of 3 "
        "runs)"
    ]
    assert "?" not in told
    (grokked,) = [line.split() for line in told.splitlines() if "Grokked" in line]
    assert grokked[-8:] == ["+100", "+100", "…", "+100", "3", "0", "0", "0"]


def test_a_table_without_rows_is_not_printed():
    told = printed(comparison(0, NEVER), comparison(1, NEITHER), comparison(2, NEITHER))
    assert "fork − twin" not in told
    assert "medians over runs" in told


def test_an_accuracy_that_nothing_was_lost_of_is_0():
    told = printed(comparison(0, KNOWN), comparison(1, KNOWN))
    assert "-0" not in told
    assert [number(value) for value in (-0.0, 0.0, -0.25, math.nan, None)] == ["0", "0", "-0.25", "–", "–"]


@pytest.mark.parametrize(("parts", "said"), [(110, "10 "), (None, "> 400 ")])
def test_when_forks_and_twins_part_is_told_in_steps(parts, said):
    told = printed(*(comparison(seed, KNOWN, parts=parts) for seed in range(2)))
    head, row = told.partition("medians over runs")[2].splitlines()[1:3]
    assert "parts after, steps" in head
    assert " ".join(row.split()).startswith(f"no decay 100 {said}")


@pytest.mark.parametrize(("last", "said"), [(110, 10), (101, 1), (100 + SHOCK, SHOCK), (5000, SHOCK)])
def test_the_worst_is_that_of_the_steps_that_followed(last, said):
    one = comparison(0, KNOWN, last=last)
    assert one.shock == said
    assert f"worst in {said} step{'s' * (said > 1)}  " in printed(one)


def test_the_example_of_the_page_has_the_words_of_today():
    example = PAGE.read_text("utf-8").partition("$ latebloom fork seed-0 --at grokked")[2].partition("```")[0]
    words = {" ".join(line.split()) for line in example.splitlines()}
    told = [" ".join(line.split()) for line in printed(comparison(0, KNOWN, NEVER, last=700)).splitlines()]
    heads = [line for line in told if line.startswith(("before", "event", "–:", "> n"))]
    assert len(heads) == 4
    assert words >= set(heads)
