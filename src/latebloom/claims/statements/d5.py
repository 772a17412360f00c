"""D5: groups S_n and polynomials show the same pattern."""

from __future__ import annotations

import json

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, share
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import happened
from latebloom.claims.statements.document_d import LATE, LOOKED, SOURCE, late_of

STUDY = "tasks"
TASKS = {
    "s4": ("composition in S_4, 80 %", "S_4"),
    "squares": ("x² + y² mod 31, 60 %", "x^2 + y^2"),
    "mixed": ("x² + xy + y² mod 31, 60 %", "x^2 + xy + y^2"),
    "cubic": ("x³ + xy² + y mod 31, 60 %", "x^3 + xy^2 + y"),
}
MOST, FEW = 0.8, 0.2


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
    values = [numbers[f"late_{name}"].value for name in TASKS]
    verdict = "supported" if min(values) >= MOST else "refuted" if max(values) <= FEW else "mixed"
    told = (
        "late generalising in {late_s4} of the runs on S_4, {late_squares} on x² + y², {late_mixed} on x² + xy + y², "
        "{late_cubic} on x³ + xy² + y."
    )
    return Judgement(Judged(verdict, told), None, numbers)


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies, a panel a task."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [
        Panel(words, task(results[STUDY], name), lines, "accuracy", mark="grokked")
        for name, (words, _) in TASKS.items()
    ]
    title = "A group and three polynomials: MLP, AdamW, λ = 1"
    caption = "Accuracy over training by task and share of the pairs that is trained on, each line a seed."
    return {"tasks": Drawn(curves_figure(panels, title, columns=2), caption)}


CLAIM = Claim(
    id="D5",
    title="groups S_n and polynomials show the same pattern",
    statement="Composition in S_n and polynomials over finite fields show the same pattern of memorising and late "
    "generalising.",
    source=SOURCE,
    published="Transformers; 5000 epochs and more for S_n.",
    departures="One MLP for all (two concatenated embeddings of 64, one hidden layer of 128 ReLUs, full-batch AdamW, "
    "λ = 1, learning rate 2e-3), 4000 steps at most; S_4 instead of S_5. " + LOOKED + " Within 6000 steps at a "
    "rate of 1e-3 seed 99 generalised on x² + y² alone, of these; the rate was doubled before these runs.",
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
        "mixed": "All of them are memorised; only x² + y², which is addition of relabelled operands, generalises late "
        "in all runs, and composition in S_4 in {late_s4}. The other two polynomials have not within these "
        "steps, on this network: Power et al. 2022 report that x³ + xy² + y never did in theirs, and that x² "
        "+ xy + y² does."
    },
    change="Larger networks, more pairs or more steps for the polynomials that did not generalise here.",
)
