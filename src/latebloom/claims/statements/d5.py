"""D5: groups S_n and polynomials show the same pattern."""

from __future__ import annotations

import json
import math

import polars as pl

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, LEARNT, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, mean, middle, share
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import happened, steps_by_seed
from latebloom.claims.statements.document_d import LATE, LOOKED, SOURCE, late_of

STUDY = "tasks"
TASKS = {
    "s4": ("composition in S_4, 80 %", "S_4"),
    "squares": ("x² + y² mod 31, 60 %", "x^2 + y^2"),
    "mixed": ("x² + xy + y² mod 31, 60 %", "x^2 + xy + y^2"),
    "cubic": ("x³ + xy² + y mod 31, 60 %", "x^3 + xy^2 + y"),
}
MOST, FEW = 0.8, 0.2
MUCH = 0.8


def task(part: Part, name: str) -> Part:
    """The runs of one task."""
    wanted = TASKS[name][1]
    kept = [wanted in json.loads(text).values() for text in part.runs["task"]]
    runs = part.runs.filter(kept)
    return Part(runs, part.curves.filter(part.curves["run"].is_in(runs["run"].to_list())), part.facts)


def judge(results: Results) -> Judgement:
    """Judges by the share of runs of each task that memorise and generalise late."""
    numbers: dict[str, Number] = {}
    for name, (words, _) in TASKS.items():
        part = task(results[STUDY], name)
        numbers[f"memorised_{name}"] = share(f"memorised: {words}", happened(part.runs, "memorised"))
        numbers[f"grokked_{name}"] = share(f"generalised: {words}", happened(part.runs, "grokked"))
        numbers[f"late_{name}"] = share(f"generalised late: {words}", late_of(part))
        numbers[f"most_{name}"] = middle(f"step of test accuracy ≥ {MUCH:g}, median: {words}", _steps(part), ",.0f")
        ends = part.runs.filter(pl.col("grokked.step").is_null())["test_end"].to_list()
        numbers[f"end_{name}"] = mean(
            f"test accuracy at the end of runs that have not generalised: {words}", ends, ".3f"
        )
    squares = task(results[STUDY], "squares").runs
    at_once = [state == "comprehension" for state in squares["end_state"]]
    numbers["at_once"] = share(
        "end state comprehension (Liu et al. 2022: generalised soon after memorising): x² + y²", at_once
    )
    for event in ("memorised", "grokked"):
        about = f"step, {event.replace('grokked', 'generalised')}, median: x² + y²"
        numbers[f"{event}_step"] = middle(about, steps_by_seed(squares, event), ",.0f")
    values = [numbers[f"late_{name}"].value for name in TASKS]
    verdict = "supported" if min(values) >= MOST else "refuted" if max(values) <= FEW else "mixed"
    told = (
        "late generalising in {late_s4} of the runs on S_4, {late_squares} on x² + y², {late_mixed} on x² + xy + y², "
        "{late_cubic} on x³ + xy² + y."
    )
    return Judgement(Judged(verdict, told), None, numbers)


def _steps(part: Part) -> list[float]:
    """The first step of each run with a test accuracy of MUCH or more; NaN where there is none."""
    steps = [curve.filter(pl.col("test_accuracy") >= MUCH)["step"] for _, curve in part.each()]
    return [float(found[0]) if len(found) else math.nan for found in steps]


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies, a panel a task."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [
        Panel(f"{words} of the pairs", task(results[STUDY], name), lines, "accuracy", bounds=LEARNT)
        for name, (words, _) in TASKS.items()
    ]
    title = "A group and three polynomials of x and y: MLP, AdamW, λ = 1"
    caption = (
        "Accuracy over training by task and share of the pairs that is trained on, each line a seed. S_4 is the "
        "group of the permutations of four things. Runs end when they have generalised, or after 4000 steps."
    )
    return {"tasks": Drawn(curves_figure(panels, title, columns=2), caption)}


CLAIM = Claim(
    id="D5",
    title="groups S_n and polynomials show the same pattern",
    statement="Composition in S_n and polynomials over finite fields show the same pattern of memorising and late "
    "generalising.",
    source=SOURCE,
    published="Transformers; 5000 epochs and more for S_n.",
    departures="One MLP for all (two concatenated embeddings of 64, one hidden layer of 128 ReLUs, full-batch AdamW, "
    "λ = 1, learning rate 2e-3), 4000 steps at most; S_4 instead of S_5. " + LOOKED + " Within 6000 steps at a rate "
    "of 1e-3 seed 99 generalised on x² + y² alone, of these; the rate was doubled before these runs.",
    reads={STUDY: ()},
    rule=(
        f"A run shows the pattern if it memorises (training accuracy ≥ 0.99) and generalises (test ≥ 0.95), both "
        f"sustained, {LATE:g} times as late or later. Supported: {MOST:.0%} or more of the runs of each task do; "
        f"refuted: {FEW:.0%} or fewer of each; else mixed. A run that has not generalised at its last step is "
        "censored: that it never would is not said."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "mixed": "All of them are memorised. Composition in S_4 generalises late, in {late_s4} of the runs; the "
        "others end just below the bound, at {end_s4}. x² + y² learns most of its test pairs with its training "
        "pairs, and the last ones late. The other two polynomials have not generalised within these steps, on this "
        "network: Power et al. 2022 report that x³ + xy² + y never did in theirs, and that x² + xy + y² does."
    },
    doubt="Late is here a generalising step of twice that of memorising, and x² + y² meets it by its last points "
    "alone: memorised at step {memorised_step}, 0.8 of the test pairs at {most_squares}, all but the last twentieth "
    "at {grokked_step}; by Liu et al.'s end states {at_once} of its runs generalise at once. The task is the same "
    "for (±x, ±y) and for swapped operands, so that nearly every test pair has such a twin among the training pairs. "
    "And the rule can hardly say supported: it asks for x³ + xy² + y too, which never generalised for Power et al., "
    "while the overview names no polynomial.",
    change="Larger networks, more pairs or more steps for the polynomials that did not generalise here.",
)
