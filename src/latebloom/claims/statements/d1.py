"""D1: the overview's standard set-up groks within 10 000 epochs, and its typical weight decays do."""

from __future__ import annotations

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, LEARNT, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, middle, share
from latebloom.claims.results import Results
from latebloom.claims.statements.document_b import happened, steps_by_seed
from latebloom.claims.statements.document_d import LATE, SOURCE, late_of

STUDY = "overview"
STANDARD, OTHERS = 0.01, (0.001, 0.1)
MOST, FEW = 0.8, 0.2


def judge(results: Results) -> Judgement:
    """Judges by the share of runs that generalise late within the budget, at each weight decay."""
    numbers: dict[str, Number] = {}
    for decay in (STANDARD, *OTHERS):
        part = results[STUDY].where(optim_weight_decay=decay)
        key = f"{decay:g}".replace(".", "_")
        numbers[f"memorised{key}"] = share(f"memorised, λ = {decay:g}", happened(part.runs, "memorised"))
        numbers[f"generalised{key}"] = share(f"generalised, λ = {decay:g}", happened(part.runs, "grokked"))
        numbers[f"late{key}"] = share(f"generalised late, λ = {decay:g}", late_of(part))
        steps = steps_by_seed(part.runs, "grokked")
        numbers[f"step{key}"] = middle(
            f"update of generalising, median of those that have, λ = {decay:g}", steps, ",.0f"
        )
    return Judgement(_observation(numbers), _interpretation(numbers), numbers)


def _observation(numbers: dict[str, Number]) -> Judged:
    told = "with λ = 0.01 {late0_01} of the runs memorise and generalise late within 10 000 epochs."
    value = numbers["late0_01"].value
    return Judged("supported" if value >= MOST else "refuted" if value <= FEW else "mixed", told)


def _interpretation(numbers: dict[str, Number]) -> Judged:
    told = "with λ = 0.001 {late0_001} of the runs do, with λ = 0.1 {late0_1}."
    values = [numbers["late0_001"].value, numbers["late0_1"].value]
    if min(values) >= MOST:
        return Judged("supported", told)
    return Judged("refuted" if max(values) <= FEW else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies, a panel a weight decay."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [
        Panel(f"λ = {decay:g}", results[STUDY].where(optim_weight_decay=decay), lines, "accuracy", bounds=LEARNT)
        for decay in sorted((STANDARD, *OTHERS))
    ]
    title = "The overview's standard set-up: addition mod 97, two layers, batches of 512"
    caption = "Accuracy over updates, ten of which are an epoch, each line a seed."
    return {"accuracies": Drawn(curves_figure(panels, title), caption)}


CLAIM = Claim(
    id="D1",
    title="p = 97, 50 %, two layers, λ = 0.01 groks within 10 000 epochs",
    statement="Weight decays of 1e-3 to 1e-1 are typical; p = 97, half of the pairs, two layers, λ = 0.01, batch 512 "
    "and a learning rate of 1e-3 grok within 10 000 epochs.",
    source=SOURCE,
    published="As stated; optimiser, LayerNorm and betas are not named.",
    departures="AdamW with PyTorch's betas and initial weights, LayerNorm before each part (preset `overview`). An "
    "epoch is ten updates, the last of 480 pairs. A run ends 2000 updates after it has generalised. No run of this "
    "set-up had been looked at before the rule was written; 300 updates of one were timed.",
    reads={STUDY: ()},
    rule=(
        "A run groks if it memorises (training accuracy ≥ 0.99) and generalises (test ≥ 0.95), both sustained, "
        f"{LATE:g} times as late or later, within 10 000 epochs (100 000 updates). Observation, the standard set-up at "
        f"λ = 0.01: supported if {MOST:.0%} or more of the runs grok, refuted if {FEW:.0%} or fewer, else mixed. "
        f"Interpretation, λ of 1e-3 and 1e-1 are typical: supported if {MOST:.0%} or more do at both, refuted if "
        f"{FEW:.0%} or fewer at both, else mixed."
    ),
    judge=judge,
    figures=figures,
    budget=1000,
    change="Another optimiser, no LayerNorm, other initial weights: the overview names none.",
)
